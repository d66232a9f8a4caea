"""Moving house: topics, records, groups and the worker's progress from one cluster to another.

Start at `Migration`. Either side may be an embedded broker or Apache Kafka. The target's log is
the only state: a migration that was killed goes on where the target shows it came to.
"""

from summit.migration.migration import Migration, MigrationReport, Progress
from summit.migration.plan import GroupMove, MigrationPlan, TopicMove

__all__ = [
    "GroupMove",
    "Migration",
    "MigrationPlan",
    "MigrationReport",
    "Progress",
    "TopicMove",
]
