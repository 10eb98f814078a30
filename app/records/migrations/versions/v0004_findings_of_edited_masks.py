"""What the checks found in an edited mask, and its sizes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; masks that were stored before have none."""
    op.add_column("edited_masks", sa.Column("findings", sa.JSON()))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("edited_masks", "findings")
