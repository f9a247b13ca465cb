//! Source document + mapping rows → FHIR R4 transaction bundle + losses. No I/O, no clock, no store.
