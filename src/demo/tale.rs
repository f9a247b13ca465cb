//! The story as printed: what happened, and where to click.

use super::report::Report;
use super::site::Site;

/// Tells, or keeps quiet.
pub(super) struct Tale {
    aloud: bool,
    act: u8,
}

impl Tale {
    pub(super) fn new(aloud: bool) -> Self {
        Self { aloud, act: 0 }
    }

    /// Starts an act.
    pub(super) fn act(&mut self, title: &str) {
        self.act += 1;
        if self.aloud {
            println!("\n{}. {title}", self.act);
        }
    }

    /// Tells one thing.
    pub(super) fn say(&self, line: &str) {
        if self.aloud {
            println!("   {line}");
        }
    }

    pub(super) fn opening(&self, toronto: &Site, tokyo: &Site) {
        if !self.aloud {
            return;
        }
        println!("渡り Watari — a referral crosses the Pacific. Everybody in this story is invented.\n");
        for site in [toronto, tokyo] {
            let name = &site.config.institution.name;
            println!("   {}  {} · {}", site.plan.id, name.en, name.ja);
            println!("      inside {}   outside {}", site.inside(""), site.node.doors.outside_url);
        }
    }

    pub(super) fn closing(&self, report: &Report, toronto: &Site, tokyo: &Site) {
        if !self.aloud {
            return;
        }
        let passed = report.checks.iter().filter(|check| check.ok).count();
        println!("\n{passed} of {} checks passed in {:.1} s.", report.checks.len(), seconds(report.elapsed_ms));
        for check in report.checks.iter().filter(|check| !check.ok) {
            println!("   FAILED  {}: {}", check.name, check.found.as_deref().unwrap_or(""));
        }
        println!("\nLook around. Each link signs in once; the browser will warn of the demo's own certificate.");
        for (node, site) in report.nodes.iter().zip([toronto, tokyo]) {
            println!("   {}", site.config.institution.name.en);
            println!("      clinician   {}", node.sign_in.clinician);
            println!("      researcher  {}", node.sign_in.researcher);
            println!("      IT          {}", node.sign_in.it);
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
