"""The OData face: the control entities of the unit and of its cells."""

from alveary.api.odata.routes import control, unit_control

__all__ = ["control", "unit_control"]
