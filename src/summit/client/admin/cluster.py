"""The cluster: its brokers, its controller, and the quorum that keeps its metadata."""

from __future__ import annotations

import msgspec

from summit.base.errors import Invalid
from summit.client.addresses import format_address
from summit.client.admin.topics import Topics
from summit.client.types import Cluster
from summit.client.wire import fault
from summit.protocol import codes
from summit.protocol.describe_cluster import DESCRIBE_CLUSTER, DescribeClusterRequest
from summit.protocol.describe_quorum import (
    DESCRIBE_QUORUM,
    DescribeQuorumRequest,
    DescribeQuorumRequestPartition,
    DescribeQuorumRequestTopic,
)


class BrokerNode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One broker. A fenced one is registered and does not serve: it is down, or coming up."""

    id: int
    host: str
    port: int
    rack: str | None = None
    is_fenced: bool = False


class Voter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One controller; `lag` is how many entries of the metadata log it has not got yet."""

    id: int
    lag: int


class ClusterDescription(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cluster at this moment.

    `controller_id` is None while nobody is elected. `voters` are the controllers that decide
    together; empty where a broker is its own controller.
    """

    cluster_id: str
    controller_id: int | None
    brokers: list[BrokerNode]
    voters: list[Voter]

    @property
    def live(self) -> list[BrokerNode]:
        """The brokers that serve."""
        return [broker for broker in self.brokers if not broker.is_fenced]


class Whole(Topics):
    """The cluster as a whole."""

    async def cluster(self) -> Cluster:
        """All brokers that live and all partitions, as one broker sees them now."""
        topics = await self.describe_topics()
        return Cluster(
            brokers=await self.brokers(),
            topics={topic.name: topic.partitions for topic in topics},
        )

    async def brokers(self) -> dict[int, str]:
        """The brokers that live: id to `host:port`."""
        found = (await self._asking().metadata([])).brokers
        return {
            broker.node_id: format_address(broker.host, broker.port)
            for broker in sorted(found, key=lambda broker: broker.node_id)
        }

    async def describe_cluster(self) -> ClusterDescription:
        """Brokers, fenced ones too where the cluster tells them, and the controller."""
        request = DescribeClusterRequest(include_fenced_brokers=True)
        answer = await self._asking().ask(DESCRIBE_CLUSTER, request)
        if answer.error_code != codes.NONE:
            raise fault(answer.error_code)
        controller_id, voters = await self._quorum(answer.controller_id)
        return ClusterDescription(
            cluster_id=answer.cluster_id,
            controller_id=controller_id,
            brokers=sorted(
                (
                    BrokerNode(
                        id=broker.broker_id,
                        host=broker.host,
                        port=broker.port,
                        rack=broker.rack,
                        is_fenced=broker.is_fenced,
                    )
                    for broker in answer.brokers
                ),
                key=lambda broker: broker.id,
            ),
            voters=voters,
        )

    async def _quorum(self, told: int) -> tuple[int | None, list[Voter]]:
        """Who is the controller: a broker of a quorum names just any broker as such."""
        part = DescribeQuorumRequestPartition(partition_index=0)
        topic = DescribeQuorumRequestTopic(topic_name="__cluster_metadata", partitions=[part])
        try:
            answer = await self._asking().ask(
                DESCRIBE_QUORUM, DescribeQuorumRequest(topics=[topic])
            )
        except Invalid:  # no quorum: a broker that is its own controller
            return (told if told >= 0 else None), []
        if answer.error_code != codes.NONE or not answer.topics:
            return None, []
        quorum = answer.topics[0].partitions[0]
        if quorum.error_code != codes.NONE or quorum.leader_id < 0:
            return None, []
        ends = {voter.replica_id: voter.log_end_offset for voter in quorum.current_voters}
        end = ends.get(quorum.leader_id, quorum.high_watermark)
        voters = [Voter(id=each, lag=max(0, end - at)) for each, at in sorted(ends.items())]
        return quorum.leader_id, voters
