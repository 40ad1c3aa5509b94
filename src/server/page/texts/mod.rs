//! Defines the texts of the page. Each language is a [`Texts`] of its own, so that a text without a
//! translation does not compile.

mod english;
mod errors;
mod korean;

pub(super) use self::errors::{Errors, Explained};
use super::language::Language;

macro_rules! texts {
    (
        plain { $($plain:ident,)+ }
        with_values { $($(#[$doc:meta])* $name:ident: fn($($value:ty),+),)+ }
    ) => {
        /// The texts of one language.
        pub(super) struct Texts {
            $(pub(super) $plain: &'static str,)+
            $($(#[$doc])* pub(super) $name: fn($($value),+) -> String,)+
            pub(super) errors: Errors,
        }

        #[cfg(test)]
        impl Texts {
            fn plain(&self) -> Vec<&'static str> {
                let errors = self.errors.all().into_iter();
                let errors = errors.flat_map(|explained| [explained.says, explained.advice]);
                [$(self.$plain),+].into_iter().chain(errors).collect()
            }
        }
    };
}

texts! {
    plain {
        log_in,
        username,
        password,
        remember,
        no_account,
        ask_operator,
        programs_only,

        create_account,
        register,
        have_account,

        confirm,
        confirm_why,

        log_out,
        sessions,
        this_device,
        unknown_device,
        end_session,
        end_others,
        sessions_away,

        change_password,
        current_password,
        new_password,
        password_effect,
        back,

        form_outdated,
        password_changed,
        session_ended,
        others_ended,
        logged_out,

        just_now,
        error,
        try_again,
        start_page,
    }
    with_values {
        /// By the minimum length of a password.
        password_rule: fn(usize),
        /// By the username.
        greeting: fn(&str),
        /// By the path.
        go_on: fn(&str),
        /// By the browser and the system.
        browser_on: fn(&str, &str),
        /// By how long ago it was.
        last_used: fn(&str),
        /// By their number.
        more_sessions: fn(usize),
        minutes_ago: fn(u64),
        hours_ago: fn(u64),
        days_ago: fn(u64),
        retry_in_seconds: fn(u32),
        retry_in_minutes: fn(u32),
    }
}

impl Texts {
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &english::TEXTS,
            Language::Korean => &korean::TEXTS,
        }
    }

    /// Returns how long ago something was.
    pub(super) fn ago(&self, seconds: u64) -> String {
        match seconds {
            0..60 => self.just_now.to_owned(),
            60..3600 => (self.minutes_ago)(seconds / 60),
            3600..86_400 => (self.hours_ago)(seconds / 3600),
            _ => (self.days_ago)(seconds / 86_400),
        }
    }

    /// Returns when to try again.
    pub(super) fn retry_in(&self, seconds: u32) -> String {
        match seconds {
            0..=90 => (self.retry_in_seconds)(seconds),
            _ => (self.retry_in_minutes)(seconds.div_ceil(60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::language::Language;
    use super::Texts;

    fn with_values(texts: &Texts) -> Vec<String> {
        vec![
            (texts.password_rule)(12),
            (texts.greeting)("12"),
            (texts.go_on)("12"),
            (texts.browser_on)("12", "12"),
            (texts.last_used)("12"),
            (texts.more_sessions)(12),
            (texts.minutes_ago)(12),
            (texts.hours_ago)(12),
            (texts.days_ago)(12),
            (texts.retry_in_seconds)(12),
            (texts.retry_in_minutes)(12),
        ]
    }

    #[test]
    fn every_text_is_there_in_every_language() {
        let [english, korean] = Language::ALL.map(Texts::of);
        let is_hangul = |letter: char| ('\u{AC00}'..='\u{D7A3}').contains(&letter);
        for (english, korean) in english.plain().into_iter().zip(korean.plain()) {
            assert!(!english.is_empty() && english.is_ascii(), "{english}");
            assert!(korean.contains(is_hangul), "{english}: {korean}");
        }
        for (english, korean) in with_values(english).iter().zip(with_values(korean)) {
            assert!(english.is_ascii() && english.contains("12"), "{english}");
            assert!(korean.contains("12"), "{english}: {korean}");
        }
    }

    #[test]
    fn one_is_singular_in_english() {
        let english = Texts::of(Language::English);
        for (seconds, words) in [
            (59, "just now"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (86_400, "1 day ago"),
            (864_000, "10 days ago"),
        ] {
            assert_eq!(english.ago(seconds), words);
        }
        for (seconds, words) in [
            (1, "Try again in 1 second."),
            (90, "Try again in 90 seconds."),
            (91, "Try again in 2 minutes."),
        ] {
            assert_eq!(english.retry_in(seconds), words);
        }
    }
}
