//! What a person wrote for gateways, the policy and prices, and what was
//! written down: the audit log.

use super::findings::Findings;
use crate::broker::policy_file::PriceFile;
use crate::cli::command::rule;
use crate::cli::context::Context;
use crate::error::Result;
use crate::text::counted;

/// Whether a gateway would start with them, and the log is whole.
pub(super) fn check_written(findings: &mut Findings, context: &Context) -> Result<()> {
    let path = context.places()?.policy;
    match rule::read(&path) {
        Ok(Some(policy)) => {
            let rules = counted(policy.rules().len(), "rule");
            let limits = counted(policy.limits().len(), "limit");
            let budgets = counted(policy.budgets().len(), "budget");
            let message = format!("{}: {rules}, {limits}, {budgets}", path.display());
            findings.ok("policy", message);
        }
        Ok(None) => findings.ok("policy", "none, everything is allowed".to_owned()),
        Err(error) => findings.failed("policy", &error),
    }
    let path = path.with_file_name("prices.json");
    match PriceFile::open(&path, Box::new(|_| ())) {
        Ok(_) if path.exists() => findings.ok("prices", path.display().to_string()),
        Ok(_) => {}
        Err(error) => findings.failed("prices", &error),
    }
    let log = context.audit_log()?;
    match log.verify(&context.audit_marks()?) {
        Ok(found) => {
            let entries = usize::try_from(found.entries).unwrap_or(usize::MAX);
            let entries = if entries == 1 {
                "1 entry".to_owned()
            } else {
                format!("{entries} entries")
            };
            findings.ok("audit", format!("{entries}, none of them amiss"));
        }
        Err(error) => findings.failed("audit", &error.into()),
    }
    Ok(())
}
