//! What the commands share that change what is kept by hand: who runs them, and how
//! long something lasts.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Who runs the command, for the record.
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
    /// Who you are, for the record; by default the user of this system.
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    by: Option<String>,
}

impl Operator {
    /// Their name. Nobody proves it here: whoever can write to the store may.
    pub(super) fn name(&self) -> String {
        let uid = || format!("uid:{}", rustix::process::getuid().as_raw());
        self.by.clone().filter(|name| !name.is_empty()).unwrap_or_else(uid)
    }
}

/// A length of time such as `90s`, `12h` or `30d`.
pub(super) fn lasting(text: &str) -> Result<Duration, String> {
    let problem = || "not a length of time, such as 15m, 12h or 30d".to_owned();
    let span: Span = text.parse().map_err(|_| problem())?;
    let days = SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(days).map_err(|_| problem())?;
    let duration = Duration::try_from(duration).map_err(|_| problem())?;
    if duration < Duration::from_secs(1) {
        return Err("at least a second".to_owned());
    }
    Ok(duration)
}

/// A length of time as people say it.
pub(super) fn told(duration: Duration) -> String {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    format!("{:#}", jiff::SignedDuration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_read_in_days_too() {
        assert_eq!(lasting("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(lasting("1w"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(lasting("1h 30m"), Ok(Duration::from_mins(90)));
        for odd in ["", "30", "0s", "-1h", "1mo", "1y", "soon"] {
            assert!(lasting(odd).is_err(), "{odd}");
        }
        assert_eq!(told(Duration::from_secs(5430)), "1h 30m 30s");
    }
}
