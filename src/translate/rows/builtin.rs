//! The rows in the binary, in the order they are laid over each other.

/// Name and text of every built-in file.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("hl7v2/messages.toml", include_str!("../../../config/mappings/hl7v2/messages.toml")),
    ("hl7v2/resources.toml", include_str!("../../../config/mappings/hl7v2/resources.toml")),
    ("hl7v2/patient.toml", include_str!("../../../config/mappings/hl7v2/patient.toml")),
    ("hl7v2/visit.toml", include_str!("../../../config/mappings/hl7v2/visit.toml")),
    ("hl7v2/problems.toml", include_str!("../../../config/mappings/hl7v2/problems.toml")),
    ("hl7v2/results.toml", include_str!("../../../config/mappings/hl7v2/results.toml")),
    ("hl7v2/medication.toml", include_str!("../../../config/mappings/hl7v2/medication.toml")),
    ("hl7v2/orders.toml", include_str!("../../../config/mappings/hl7v2/orders.toml")),
    ("hl7v2/administration.toml", include_str!("../../../config/mappings/hl7v2/administration.toml")),
    ("hl7v2/tables.toml", include_str!("../../../config/mappings/hl7v2/tables.toml")),
    ("hl7v2/systems.toml", include_str!("../../../config/mappings/hl7v2/systems.toml")),
    ("hl7v2/jahis.toml", include_str!("../../../config/mappings/hl7v2/jahis.toml")),
    ("hl7v2/ca.toml", include_str!("../../../config/mappings/hl7v2/ca.toml")),
    ("hl7v2/profiles-jp.toml", include_str!("../../../config/mappings/hl7v2/profiles-jp.toml")),
    ("hl7v2/profiles-ca.toml", include_str!("../../../config/mappings/hl7v2/profiles-ca.toml")),
    ("ccda/header.toml", include_str!("../../../config/mappings/ccda/header.toml")),
    ("ccda/problems.toml", include_str!("../../../config/mappings/ccda/problems.toml")),
    ("ccda/medications.toml", include_str!("../../../config/mappings/ccda/medications.toml")),
    ("ccda/results.toml", include_str!("../../../config/mappings/ccda/results.toml")),
    ("ccda/care.toml", include_str!("../../../config/mappings/ccda/care.toml")),
    ("ccda/tables.toml", include_str!("../../../config/mappings/ccda/tables.toml")),
    ("ccda/systems.toml", include_str!("../../../config/mappings/ccda/systems.toml")),
    ("ssmix2.toml", include_str!("../../../config/mappings/ssmix2.toml")),
];
