"""Protobuf messages for tests, made without a compiler: two files, nesting, maps, imports."""

from __future__ import annotations

from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    timestamp_pb2,
)

Field = descriptor_pb2.FieldDescriptorProto


def _message(name: str, *fields: tuple[str, Any], nested: Any = ()) -> Any:
    message = descriptor_pb2.DescriptorProto(name=name)
    for number, (field, kind) in enumerate(fields, 1):
        repeated = field.startswith("*")
        made = message.field.add(
            name=field.lstrip("*"),
            number=number,
            label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL,
        )
        if isinstance(kind, str):
            made.type = Field.TYPE_MESSAGE
            made.type_name = kind
        else:
            made.type = kind
    message.nested_type.extend(nested)
    return message


def pool_of(*files: Any) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _file(name: str, *messages: Any, uses: tuple[str, ...] = ()) -> Any:
    return descriptor_pb2.FileDescriptorProto(
        name=name, package="shop", syntax="proto3", dependency=uses, message_type=messages
    )


MONEY = _file("shop/money.proto", _message("Money", ("units", Field.TYPE_INT64)))
ORDERS = _file(
    "shop/orders.proto",
    _message("Other", ("id", Field.TYPE_INT64)),
    _message(
        "Order",
        ("id", Field.TYPE_STRING),
        ("*lines", ".shop.Order.Line"),
        ("price", ".shop.Money"),
        ("at", ".google.protobuf.Timestamp"),
        ("weight", Field.TYPE_DOUBLE),
        nested=[
            _message("Line", ("sku", Field.TYPE_STRING), ("count", Field.TYPE_SINT32)),
            _message("Note", ("text", Field.TYPE_STRING), nested=[_message("Deep")]),
        ],
    ),
    uses=("shop/money.proto", "google/protobuf/timestamp.proto"),
)
POOL = pool_of(MONEY, ORDERS)


def message_class(name: str, pool: Any = POOL) -> Any:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}"))


Order = message_class("Order")
Other = message_class("Other")
Line = message_class("Order.Line")
Note = message_class("Order.Note")
Deep = message_class("Order.Note.Deep")
Money = message_class("Money")
