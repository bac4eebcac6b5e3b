//! Points in time, and the two forms in which S3 requests write them.
//!
//! ```text
//! basic ISO 8601 = "20130524T000000Z"               ; x-amz-date, X-Amz-Date
//! basic date     = "20130524"                       ; the date of a credential scope
//! IMF-fixdate    = "Fri, 24 May 2013 00:00:00 GMT"  ; Date, RFC 9110 §5.6.7
//! ```
//!
//! All are UTC and of a fixed width; nothing else is accepted. Leap seconds don't exist in Unix
//! time and are refused.

/// A point in time between 1970 and 9999, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    seconds: u64,
}

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self { seconds: 0 };

    /// 9999-12-31T23:59:59Z, the last second that a year of four digits can name.
    pub const MAX: Self = Self {
        seconds: 253_402_300_799,
    };

    /// The time `seconds` after the epoch, [`UnixTime::MAX`] at most.
    pub const fn from_seconds(seconds: u64) -> Self {
        if seconds > Self::MAX.seconds {
            Self::MAX
        } else {
            Self { seconds }
        }
    }

    /// The time `nanoseconds` after the epoch, rounded down to the second.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self::from_seconds(nanoseconds / NANOSECONDS_IN_SECOND)
    }

    /// Seconds since the epoch.
    pub const fn seconds(self) -> u64 {
        self.seconds
    }

    /// The time `seconds` later, [`UnixTime::MAX`] at most.
    #[must_use]
    pub const fn saturating_add(self, seconds: u64) -> Self {
        Self::from_seconds(self.seconds.saturating_add(seconds))
    }

    /// The time `seconds` earlier, [`UnixTime::EPOCH`] at least.
    #[must_use]
    pub const fn saturating_sub(self, seconds: u64) -> Self {
        Self {
            seconds: self.seconds.saturating_sub(seconds),
        }
    }

    /// The seconds between two times, whichever is the earlier.
    pub const fn abs_diff(self, other: Self) -> u64 {
        self.seconds.abs_diff(other.seconds)
    }

    /// Parses basic ISO 8601, `yyyymmddThhmmssZ`.
    ///
    /// # Errors
    ///
    /// [`InvalidTime`] for any other form, or for a date or time of day that doesn't exist.
    pub fn parse_basic(text: &str) -> Result<Self, InvalidTime> {
        let &[
            y1,
            y2,
            y3,
            y4,
            m1,
            m2,
            d1,
            d2,
            b'T',
            h1,
            h2,
            n1,
            n2,
            s1,
            s2,
            b'Z',
        ] = text.as_bytes()
        else {
            return Err(InvalidTime);
        };
        Civil {
            year: number([y1, y2, y3, y4])?,
            month: number([m1, m2])?,
            day: number([d1, d2])?,
            hour: number([h1, h2])?,
            minute: number([n1, n2])?,
            second: number([s1, s2])?,
        }
        .to_unix()
    }

    /// Parses an IMF-fixdate ([RFC 9110 §5.6.7]), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    ///
    /// # Errors
    ///
    /// [`InvalidTime`] for any other form, or for a date, weekday or time of day that doesn't
    /// exist.
    ///
    /// [RFC 9110 §5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
    pub fn parse_http_date(text: &str) -> Result<Self, InvalidTime> {
        let &[
            w1,
            w2,
            w3,
            b',',
            b' ',
            d1,
            d2,
            b' ',
            m1,
            m2,
            m3,
            b' ',
            y1,
            y2,
            y3,
            y4,
            b' ',
            h1,
            h2,
            b':',
            n1,
            n2,
            b':',
            s1,
            s2,
            b' ',
            b'G',
            b'M',
            b'T',
        ] = text.as_bytes()
        else {
            return Err(InvalidTime);
        };
        let time = Civil {
            year: number([y1, y2, y3, y4])?,
            month: position(&MONTHS, [m1, m2, m3])?.saturating_add(1),
            day: number([d1, d2])?,
            hour: number([h1, h2])?,
            minute: number([n1, n2])?,
            second: number([s1, s2])?,
        }
        .to_unix()?;
        if position(&WEEKDAYS, [w1, w2, w3])? != time.weekday() {
            return Err(InvalidTime);
        }
        Ok(time)
    }

    /// Basic ISO 8601, `yyyymmddThhmmssZ`: 16 characters.
    pub fn to_basic(self) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = Civil::from_unix(self);
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// The date in basic ISO 8601, `yyyymmdd`: 8 characters.
    pub fn to_basic_date(self) -> String {
        let Civil {
            year, month, day, ..
        } = Civil::from_unix(self);
        format!("{year:04}{month:02}{day:02}")
    }

    /// Days since Sunday.
    const fn weekday(self) -> u64 {
        // 1970-01-01 was a Thursday.
        (self.seconds / SECONDS_IN_DAY).saturating_add(4) % 7
    }
}

/// Text that is no time of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid time")]
pub struct InvalidTime;

/// A date of the proleptic Gregorian calendar and a time of day, UTC.
struct Civil {
    /// 1970 to 9999.
    year: u64,
    /// 1 to 12.
    month: u64,
    /// 1 to 31.
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "every field is bounded before it is used, and the largest result is UnixTime::MAX"
    )]
    fn to_unix(&self) -> Result<UnixTime, InvalidTime> {
        let valid = (1970..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60;
        if !valid {
            return Err(InvalidTime);
        }
        // `days_from_civil` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms":
        // years begin on 1 March, so that the leap day is a year's last.
        let (year, month_from_march) = if self.month > 2 {
            (self.year, self.month - 3)
        } else {
            (self.year - 1, self.month + 9)
        };
        let era = year / YEARS_IN_ERA;
        let year_of_era = year % YEARS_IN_ERA;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * DAYS_IN_ERA + day_of_era - DAYS_BEFORE_EPOCH;
        Ok(UnixTime {
            seconds: days * SECONDS_IN_DAY + self.hour * 3600 + self.minute * 60 + self.second,
        })
    }

    #[expect(
        clippy::arithmetic_side_effects,
        reason = "seconds are at most UnixTime::MAX, and no subtraction goes below zero"
    )]
    const fn from_unix(time: UnixTime) -> Self {
        // `civil_from_days` of the same source.
        let days = time.seconds / SECONDS_IN_DAY + DAYS_BEFORE_EPOCH;
        let era = days / DAYS_IN_ERA;
        let day_of_era = days % DAYS_IN_ERA;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let year = era * YEARS_IN_ERA + year_of_era;
        let (year, month) = if month_from_march < 10 {
            (year, month_from_march + 3)
        } else {
            (year + 1, month_from_march - 9)
        };
        let second_of_day = time.seconds % SECONDS_IN_DAY;
        Self {
            year,
            month,
            day,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }
}

const fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number<const N: usize>(digits: [u8; N]) -> Result<u64, InvalidTime> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10).ok_or(InvalidTime)?;
        Ok(number.saturating_mul(10).saturating_add(u64::from(digit)))
    })
}

fn position(names: &[[u8; 3]], name: [u8; 3]) -> Result<u64, InvalidTime> {
    (0..)
        .zip(names)
        .find(|(_, candidate)| **candidate == name)
        .map(|(position, _)| position)
        .ok_or(InvalidTime)
}

const NANOSECONDS_IN_SECOND: u64 = 1_000_000_000;
const SECONDS_IN_DAY: u64 = 86_400;
const YEARS_IN_ERA: u64 = 400;
const DAYS_IN_ERA: u64 = 146_097;
/// Days from 0000-03-01 to the epoch.
const DAYS_BEFORE_EPOCH: u64 = 719_468;

const WEEKDAYS: [[u8; 3]; 7] = [
    *b"Sun", *b"Mon", *b"Tue", *b"Wed", *b"Thu", *b"Fri", *b"Sat",
];
const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct",
    *b"Nov", *b"Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_read_and_written() {
        for (seconds, basic) in [
            (0, "19700101T000000Z"),
            (1_369_353_600, "20130524T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (253_402_300_799, "99991231T235959Z"),
        ] {
            let time = UnixTime::from_seconds(seconds);
            assert_eq!(time.to_basic(), basic);
            assert_eq!(time.to_basic_date(), basic[..8]);
            assert_eq!(UnixTime::parse_basic(basic), Ok(time));
        }
        assert_eq!(
            UnixTime::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Ok(UnixTime::from_seconds(784_111_777))
        );
    }

    /// Every day of the range, by counting.
    #[test]
    fn days_follow_the_calendar() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=UnixTime::MAX.seconds / SECONDS_IN_DAY {
            let time = UnixTime::from_seconds(days * SECONDS_IN_DAY);
            let civil = Civil::from_unix(time);
            assert_eq!((civil.year, civil.month, civil.day), (year, month, day));
            assert_eq!(civil.to_unix(), Ok(time));
            day += 1;
            if day > days_in_month(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        for text in [
            "20130229T000000Z",
            "21000229T000000Z",
            "20130431T000000Z",
            "20130001T000000Z",
            "20131301T000000Z",
            "20130100T000000Z",
            "20130101T240000Z",
            "20130101T006000Z",
            "20161231T235960Z",
            "19691231T235959Z",
        ] {
            assert_eq!(UnixTime::parse_basic(text), Err(InvalidTime), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "20130524T000000",
            "20130524t000000z",
            "2013-05-24T00:00:00Z",
            "20130524T000000Z ",
            " 20130524T00000Z",
            "+0130524T000000Z",
            "20130524T0000 0Z",
            "20130524T000000.000Z",
            "٢٠١٣٠٥٢٤",
            "Fri, 24 May 2013 00:00:00 GMT",
        ] {
            assert_eq!(UnixTime::parse_basic(text), Err(InvalidTime), "{text}");
        }
        for text in [
            "",
            "Sat, 24 May 2013 00:00:00 GMT",
            "fri, 24 may 2013 00:00:00 gmt",
            "Fri, 24 May 2013 00:00:00 UTC",
            "Fri, 24 May 2013 00:00:00 +0000",
            "Fri, 4 May 2013 00:00:00 GMT",
            "Friday, 24-May-13 00:00:00 GMT",
            "Fri May 24 00:00:00 2013",
            "20130524T000000Z",
        ] {
            assert_eq!(UnixTime::parse_http_date(text), Err(InvalidTime), "{text}");
        }
    }

    #[test]
    fn times_stay_in_range() {
        assert_eq!(UnixTime::from_seconds(u64::MAX), UnixTime::MAX);
        assert_eq!(UnixTime::MAX.saturating_add(1), UnixTime::MAX);
        assert_eq!(UnixTime::EPOCH.saturating_add(u64::MAX), UnixTime::MAX);
        assert_eq!(UnixTime::EPOCH.saturating_sub(1), UnixTime::EPOCH);
        assert_eq!(UnixTime::from_nanos(1_999_999_999).seconds(), 1);
    }

    fn http_date(time: UnixTime) -> String {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = Civil::from_unix(time);
        let weekday = WEEKDAYS[usize::try_from(time.weekday()).unwrap()];
        let month = MONTHS[usize::try_from(month).unwrap().saturating_sub(1)];
        format!(
            "{}, {day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
            core::str::from_utf8(&weekday).unwrap(),
            core::str::from_utf8(&month).unwrap(),
        )
    }

    proptest::proptest! {
        #[test]
        fn times_round_trip(seconds in 0..=UnixTime::MAX.seconds) {
            let time = UnixTime::from_seconds(seconds);
            proptest::prop_assert_eq!(UnixTime::parse_basic(&time.to_basic()), Ok(time));
            proptest::prop_assert_eq!(UnixTime::parse_http_date(&http_date(time)), Ok(time));
        }

        #[test]
        fn what_parses_is_what_is_written(text in "[0-9]{8}T[0-9]{6}Z") {
            if let Ok(time) = UnixTime::parse_basic(&text) {
                proptest::prop_assert_eq!(time.to_basic(), text);
            }
        }

        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = UnixTime::parse_basic(&text);
            let _ = UnixTime::parse_http_date(&text);
        }
    }
}
