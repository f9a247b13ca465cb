//! What the record is used for: HL7 v3 PurposeOfUse, in its order.

/// Code system of purposes.
pub const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// A purpose and the wider one that it belongs to.
const PURPOSES: &[(&str, &str)] = &[
    ("HMARKT", ""),
    ("HOPERAT", ""),
    ("CAREMGT", "HOPERAT"),
    ("DONAT", "HOPERAT"),
    ("FRAUD", "HOPERAT"),
    ("GOV", "HOPERAT"),
    ("HACCRED", "HOPERAT"),
    ("HCOMPL", "HOPERAT"),
    ("HDECD", "HOPERAT"),
    ("HDIRECT", "HOPERAT"),
    ("HDM", "HOPERAT"),
    ("HLEGAL", "HOPERAT"),
    ("HOUTCOMS", "HOPERAT"),
    ("HPRGRP", "HOPERAT"),
    ("HQUALIMP", "HOPERAT"),
    ("HSYSADMIN", "HOPERAT"),
    ("PATADMIN", "HOPERAT"),
    ("PATSFTY", "HOPERAT"),
    ("PERFMSR", "HOPERAT"),
    ("RECORDMGT", "HOPERAT"),
    ("SYSDEV", "HOPERAT"),
    ("HTEST", "SYSDEV"),
    ("TRAIN", "SYSDEV"),
    ("HPAYMT", ""),
    ("CLMATTCH", "HPAYMT"),
    ("COVAUTH", "HPAYMT"),
    ("COVERAGE", "HPAYMT"),
    ("REMITADV", "HPAYMT"),
    ("HRESCH", ""),
    ("BIORCH", "HRESCH"),
    ("CLINTRCH", "HRESCH"),
    ("CLINTRCHNPC", "CLINTRCH"),
    ("CLINTRCHPC", "CLINTRCH"),
    ("PRECLINTRCH", "CLINTRCH"),
    ("DSRCH", "HRESCH"),
    ("POARCH", "HRESCH"),
    ("TRANSRCH", "HRESCH"),
    ("PATRQT", ""),
    ("FAMRQT", "PATRQT"),
    ("PWATRNY", "PATRQT"),
    ("SUPNWK", "PATRQT"),
    ("PUBHLTH", ""),
    ("DISASTER", "PUBHLTH"),
    ("THREAT", "PUBHLTH"),
    ("TREAT", ""),
    ("CLINTRL", "TREAT"),
    ("COC", "TREAT"),
    ("ETREAT", "TREAT"),
    ("BTG", "ETREAT"),
    ("ERTREAT", "ETREAT"),
    ("POPHLTH", "TREAT"),
];

/// The purpose of research, its narrower ones included.
pub const RESEARCH: &str = "HRESCH";

/// Whether there is such a purpose.
pub fn is_known(code: &str) -> bool {
    PURPOSES.iter().any(|(purpose, _)| *purpose == code)
}

/// Whether `code` is `wider`, or belongs to it.
pub fn is_within(code: &str, wider: &str) -> bool {
    let mut at = code;
    // The order has three levels.
    for _ in 0..4 {
        if at == wider {
            return true;
        }
        match PURPOSES.iter().find(|(purpose, _)| *purpose == at) {
            Some((_, parent)) if !parent.is_empty() => at = parent,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrower_purposes_belong_to_wider_ones() {
        assert!(is_within("CLINTRCHPC", "HRESCH") && is_within("HRESCH", "HRESCH"));
        assert!(!is_within("HRESCH", "CLINTRCH") && !is_within("TREAT", "HRESCH") && !is_within("CLINTRL", "HRESCH"));
        assert!(is_known("TREAT") && !is_known("RESEARCH") && !is_within("RESEARCH", "HRESCH"));
        for (_, parent) in PURPOSES {
            assert!(parent.is_empty() || is_known(parent), "{parent}");
        }
    }
}
