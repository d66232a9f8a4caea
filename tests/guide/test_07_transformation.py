"""Guide, "Event Transformation": a `*` rule converts `timestamp` and masks `user.email`."""

from __future__ import annotations

import asyncio


def transformed(email: str, timestamp: object) -> tuple[object, str]:
    """The guide's own lines."""
    from summit.event_processing import EventTransformer, TransformationRule

    async def go() -> tuple[object, str]:
        transformer = EventTransformer()

        normalization_rule = TransformationRule.from_dict(
            {
                "id": "normalize-timestamps",
                "eventType": "*",  # Apply to all events
                "transformations": [
                    {
                        "field": "timestamp",
                        "operation": "convert",
                        "config": {"type": "timestamp"},
                    },
                    {
                        "field": "user.email",
                        "operation": "mask",
                        "config": {
                            "maskChar": "*",
                            "preserveStart": 2,
                            "preserveEnd": 10,  # Preserve domain
                        },
                    },
                ],
            }
        )

        transformer.register_transformation_rule(normalization_rule)

        event = {
            "eventId": "1",
            "eventType": "user.created",
            "timestamp": timestamp,
            "user": {"email": email},
        }
        transformed_event = await transformer.transform_event(event)
        return transformed_event.timestamp, transformed_event.user["email"]

    return asyncio.run(go())


def test_text_becomes_milliseconds_and_the_name_is_hidden() -> None:
    timestamp, email = transformed("john.smith@corp.local", "2023-11-14T22:13:20Z")
    assert timestamp == 1_700_000_000_000
    assert email == "jo*********corp.local"


def test_a_short_address_is_hidden_altogether() -> None:
    assert transformed("ab@x.com", 1_700_000_000_000)[1] == "********"
