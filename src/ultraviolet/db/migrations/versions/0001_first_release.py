"""The tables of the first release."""

from alembic import op

from ultraviolet.db.partitions import create_default_partitions
from ultraviolet.db.tables.metadata import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    metadata.create_all(op.get_bind())
    create_default_partitions(op.get_bind())
