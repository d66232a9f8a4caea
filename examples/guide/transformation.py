"""Times made alike, addresses masked; the event that was given stays as it is."""

import asyncio

from summit.event_processing import EventTransformer, TransformationRule

transformer = EventTransformer()
transformer.register_transformation_rule(
    TransformationRule(
        id="normalize-timestamps",
        event_type="*",
        transformations=[
            {"field": "timestamp", "operation": "convert", "config": {"type": "timestamp"}},
            {
                "field": "user.email",
                "operation": "mask",
                "config": {"maskChar": "*", "preserveStart": 2, "preserveEnd": 10},
            },
        ],
    )
)


async def main() -> None:
    event = {
        "eventType": "user.login",
        "timestamp": "2026-01-31T08:00:00Z",
        "user": {"email": "ann.example@example.com"},
    }
    transformed = await transformer.transform_event(event)
    print(transformed.timestamp, transformed.user["email"])


asyncio.run(main())
