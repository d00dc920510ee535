"""The tables of the first release."""

from alembic import op

from ultraviolet.mirror.partitions import make_rest
from ultraviolet.mirror.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table; the first release has nothing to come from."""
    metadata.create_all(op.get_bind())
    make_rest(op.get_bind())
