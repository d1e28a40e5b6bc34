"""The least that pydantic asks of a program that imports it: one model with one field."""

from pydantic import BaseModel

__all__ = ["Model"]


class Model(BaseModel):
    """Something with a name."""

    name: str
