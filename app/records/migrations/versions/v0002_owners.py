"""The owner of a segmentation and the actor of an audit line."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    with op.batch_alter_table("segmentations") as segmentations:
        segmentations.add_column(sa.Column("owner", sa.String(128)))
    with op.batch_alter_table("audit_trail") as audit_trail:
        audit_trail.add_column(sa.Column("actor", sa.String(128)))


def downgrade() -> None:
    """Remove the columns; the audit lines of this version no longer verify without their actor."""
    with op.batch_alter_table("audit_trail") as audit_trail:
        audit_trail.drop_column("actor")
    with op.batch_alter_table("segmentations") as segmentations:
        segmentations.drop_column("owner")
