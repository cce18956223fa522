//! Moments as dates of the proleptic Gregorian calendar, in UTC.

/// A date and a time of day.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

const DAY_SECONDS: i64 = 86_400;

/// 0000-01-01T00:00:00Z and the second behind 9999-12-31T23:59:59Z: what `DateTime` can be written and read as.
const YEARS: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

impl Civil {
    /// The moment so many seconds after 1970-01-01T00:00:00Z; `None` outside the years 0 to 9999.
    pub(crate) fn from_seconds(seconds: i64) -> Option<Self> {
        if !YEARS.contains(&seconds) {
            return None;
        }
        let (days, rest) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
        // Years from March on, so that the leap day is a year's last.
        let day_of_era = days + 719_468;
        let era = day_of_era.div_euclid(146_097);
        let day_of_era = day_of_era.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Some(Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        })
    }

    /// The seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn to_seconds(&self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (self.month + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        days * DAY_SECONDS + self.hour * 3600 + self.minute * 60 + self.second
    }
}
