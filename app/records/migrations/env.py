"""The migrations' environment: they run on the connection that `app.records.database.migrate` passes."""

from __future__ import annotations

from alembic import context

from app.records.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
