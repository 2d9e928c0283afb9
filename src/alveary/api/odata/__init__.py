"""The OData face: the cells of the unit, the control entities of a cell, the schemas and user data of collections."""

from alveary.api.odata.routes import collection, control, unit_control

__all__ = ["collection", "control", "unit_control"]
