"""The first tables: segmentations and the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "segmentations",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_day", sa.Date(), nullable=False),
        sa.Column("subject", sa.String(64)),
        sa.Column("gestational_age_weeks", sa.Float()),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("key_sha256", sa.String(64), unique=True),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(16)),
        sa.Column("head_volume_ml", sa.Float()),
        sa.Column("report", sa.JSON()),
        sa.Column("problem", sa.JSON()),
        sa.Column("artifacts", sa.JSON()),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_segmentations_status", "segmentations", ["status"])
    op.create_index("ix_segmentations_created_at", "segmentations", ["created_at"])
    op.create_index("ix_segmentations_subject_day", "segmentations", ["subject", "created_day"])
    op.create_table(
        "audit_trail",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("segmentation_id", sa.String(36), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )
    op.create_index("ix_audit_trail_segmentation_id", "audit_trail", ["segmentation_id"])


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("audit_trail")
    op.drop_table("segmentations")
