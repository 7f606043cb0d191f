//! Leaving lockdown for a time: one administrator asks, another one approves, and it ends by itself.
//!
//! Two people are needed at each step that opens something, and none for what closes it. What is stored cannot say
//! otherwise: [`Exit::phase`] looks at all of it again, so that a record in which one person stands twice, or which lasts
//! longer than the configuration allows, opens nothing.

use serde_json::{Map, Value, json};

use super::id::UserName;
use crate::limits;

const MINUTE_US: u64 = 60_000_000;

/// A wish to leave lockdown, and who approved it. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Who asked.
    pub by: UserName,
    /// What for, for people.
    pub reason: String,
    /// How long, from the approval on.
    pub minutes: u64,
    /// When it was asked for. Names the wish as well, so that what is approved is what was seen.
    pub asked_us: u64,
    /// Who approved it, and when.
    pub approved: Option<(UserName, u64)>,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for somebody else's approval.
    Asked,
    /// Lockdown denies nothing before this time.
    Open {
        /// Microseconds since 1970.
        until_us: u64,
    },
    /// It was not approved in time, or its time is over. It never opens again.
    Over,
}

/// Why a step was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExitFault {
    /// Too long, or not at all.
    #[error("an exit from lockdown lasts 1 to {0} minutes (security.lockdown_exit_minutes)")]
    Minutes(u64),
    /// There is one.
    #[error("somebody asked already; `lockdown end` takes that back")]
    Waiting,
    /// Nobody asked, it was too long ago, or for something else.
    #[error("there is no such wish to leave lockdown; `lockdown show` tells what there is")]
    Nothing,
    /// One person stays one person.
    #[error("somebody else has to approve what you asked for")]
    Alone,
}

impl Exit {
    /// The first step. `old` is what is stored, `most` the longest time in minutes that the configuration allows.
    ///
    /// # Errors
    /// Another one is not over yet, or this one is too long.
    pub fn ask(
        old: Option<&Self>,
        (by, reason, minutes): (UserName, &str, u64),
        (most, now_us): (u64, u64),
    ) -> Result<Self, ExitFault> {
        if old.is_some_and(|old| old.phase(most, now_us) != Phase::Over) {
            return Err(ExitFault::Waiting);
        }
        if minutes == 0 || minutes > most {
            return Err(ExitFault::Minutes(most));
        }
        let reason = reason.chars().take(limits::EXIT_REASON_CHARS).collect();
        Ok(Self { by, reason, minutes, asked_us: now_us, approved: None })
    }

    /// The second step, for what was asked for at `asked_us`.
    ///
    /// # Errors
    /// The same person asked, or this is not what waits.
    pub fn approve(
        &self,
        by: UserName,
        asked_us: u64,
        (most, now_us): (u64, u64),
    ) -> Result<Self, ExitFault> {
        if self.asked_us != asked_us || self.phase(most, now_us) != Phase::Asked {
            return Err(ExitFault::Nothing);
        }
        if by == self.by {
            return Err(ExitFault::Alone);
        }
        Ok(Self { approved: Some((by, now_us)), ..self.clone() })
    }

    /// Where it stands. A clock that was set back closes it.
    #[must_use]
    pub fn phase(&self, most: u64, now_us: u64) -> Phase {
        if self.minutes == 0 || self.minutes > most || now_us < self.asked_us {
            return Phase::Over;
        }
        let Some((by, at_us)) = &self.approved else {
            let waited = now_us.saturating_sub(self.asked_us);
            return if waited < limits::EXIT_WAITS_US { Phase::Asked } else { Phase::Over };
        };
        let until_us = at_us.saturating_add(self.minutes.saturating_mul(MINUTE_US));
        let in_time = at_us.checked_sub(self.asked_us).is_some_and(|us| us < limits::EXIT_WAITS_US);
        match *by != self.by && in_time && (*at_us..until_us).contains(&now_us) {
            true => Phase::Open { until_us },
            false => Phase::Over,
        }
    }

    /// As it is stored.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut stored = json!({
            "by": self.by.as_str(),
            "reason": self.reason,
            "minutes": self.minutes,
            "asked_us": self.asked_us,
        });
        if let Some((by, at_us)) = &self.approved {
            stored["approved_by"] = by.as_str().into();
            stored["approved_us"] = (*at_us).into();
        }
        stored
    }

    /// What [`Exit::to_json`] made; nothing else is an exit.
    #[must_use]
    pub fn parse(stored: &[u8]) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_slice(stored).ok()?;
        let name = |key| fields.get(key)?.as_str()?.parse::<UserName>().ok();
        let number = |key| fields.get(key)?.as_u64();
        let approved = match (fields.contains_key("approved_by"), name("approved_by")) {
            (true, by) => Some((by?, number("approved_us")?)),
            (false, _) => None,
        };
        Some(Self {
            by: name("by")?,
            reason: fields.get("reason")?.as_str()?.to_owned(),
            minutes: number("minutes")?,
            asked_us: number("asked_us")?,
            approved,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 3;
    /// A step of the clock: less than the shortest exit, and two of them are longer than a wish waits.
    const STEP_US: u64 = limits::EXIT_WAITS_US / 2 + 1;
    const PEOPLE: [&str; 3] = ["ann", "ANN", "bob"];

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    #[derive(Debug, Clone, Copy)]
    enum Act {
        Ask(usize, u64),
        Approve(usize),
        Wait(u64),
        Back,
    }

    fn acts() -> Vec<Act> {
        let mut all = vec![Act::Wait(MINUTE_US), Act::Wait(STEP_US), Act::Back];
        for person in 0..PEOPLE.len() {
            all.push(Act::Approve(person));
            all.extend((0..=MOST + 1).map(|minutes| Act::Ask(person, minutes)));
        }
        all
    }

    /// Written from the rule and not from the code: (who asked, when, minutes, who approved, when).
    #[derive(Debug, Clone, Copy, Default)]
    struct Oracle {
        asked: Option<(usize, u64, u64)>,
        approved: Option<(usize, u64)>,
    }

    impl Oracle {
        fn same(one: usize, other: usize) -> bool {
            (one < 2) == (other < 2)
        }

        fn is_open(&self, now: u64) -> bool {
            let (Some((_, _, minutes)), Some((_, at))) = (self.asked, self.approved) else {
                return false;
            };
            now >= at && now - at < minutes * MINUTE_US
        }

        fn waits(&self, now: u64) -> bool {
            let fresh = |at: u64| now >= at && now - at < limits::EXIT_WAITS_US;
            self.approved.is_none() && self.asked.is_some_and(|(_, at, _)| fresh(at))
        }

        fn step(&mut self, act: Act, now: u64) {
            match act {
                Act::Ask(who, minutes) if !self.is_open(now) && !self.waits(now) => {
                    if (1..=MOST).contains(&minutes) {
                        *self = Self { asked: Some((who, now, minutes)), approved: None };
                    }
                }
                Act::Approve(who) if self.waits(now) => {
                    if self.asked.is_some_and(|(asker, _, _)| !Self::same(asker, who)) {
                        self.approved = Some((who, now));
                    }
                }
                Act::Ask(..) | Act::Approve(_) | Act::Wait(_) | Act::Back => {}
            }
        }
    }

    #[test]
    fn nothing_that_one_person_does_opens_it_and_it_closes_by_itself() {
        const DEPTH: u32 = 4;
        let acts = acts();
        let (mut checked, mut opened) = (0_u64, 0_u64);
        for number in 0..acts.len().pow(DEPTH) {
            let (mut exit, mut oracle, mut now) = (None::<Exit>, Oracle::default(), 1_u64 << 40);
            let mut people = Vec::new();
            let mut rest = number;
            for _ in 0..DEPTH {
                let act = acts[rest % acts.len()];
                rest /= acts.len();
                match act {
                    Act::Wait(us) => now += us,
                    Act::Back => now -= STEP_US,
                    Act::Ask(who, minutes) => {
                        let wish = (name(PEOPLE[who]), "x", minutes);
                        if let Ok(asked) = Exit::ask(exit.as_ref(), wish, (MOST, now)) {
                            exit = Some(asked);
                            people = vec![who < 2];
                        }
                    }
                    Act::Approve(who) => {
                        let approve = |one: &Exit| {
                            one.approve(name(PEOPLE[who]), one.asked_us, (MOST, now)).ok()
                        };
                        if let Some(approved) = exit.as_ref().and_then(approve) {
                            exit = Some(approved);
                            people.push(who < 2);
                        }
                    }
                }
                oracle.step(act, now);
                // What is stored is what was meant, across any restart.
                let stored = exit.as_ref().map(|one| one.to_json().to_string());
                let again = stored.and_then(|text| Exit::parse(text.as_bytes()));
                assert_eq!(again, exit);
                let phase = again.as_ref().map(|one| one.phase(MOST, now));
                let is_open = matches!(phase, Some(Phase::Open { .. }));
                assert_eq!(is_open, oracle.is_open(now), "{act:?} {exit:?} {now}");
                assert_eq!(
                    phase == Some(Phase::Asked),
                    oracle.waits(now),
                    "{act:?} {exit:?} {now}"
                );
                if is_open {
                    assert!(people.contains(&true) && people.contains(&false), "{exit:?}");
                    opened += 1;
                }
                checked += 1;
            }
        }
        println!("{checked} states, {opened} of them open");
        assert!(opened > 100);
    }

    #[test]
    fn a_record_in_which_one_person_stands_twice_opens_nothing() {
        let asked = Exit::ask(None, (name("ann"), "x", 2), (MOST, 100)).unwrap();
        assert_eq!(asked.phase(MOST, 99 + limits::EXIT_WAITS_US), Phase::Asked);
        assert_eq!(asked.phase(MOST, 100 + limits::EXIT_WAITS_US), Phase::Over);
        let open = asked.approve(name("bob"), 100, (MOST, 200)).unwrap();
        let until_us = 200 + 2 * MINUTE_US;
        assert_eq!(open.phase(MOST, 200), Phase::Open { until_us });
        assert_eq!(open.phase(MOST, until_us - 1), Phase::Open { until_us });
        assert_eq!(open.phase(MOST, until_us), Phase::Over);
        assert_eq!(open.phase(MOST, 199), Phase::Over, "the clock was set back");
        assert_eq!(open.phase(1, 200), Phase::Over, "the configuration allows less");
        assert_eq!(open.phase(0, 200), Phase::Over);
        let alone = Exit { approved: Some((name("Ann"), 200)), ..open.clone() };
        assert_eq!(alone.phase(MOST, 200), Phase::Over);
        let early = Exit { approved: Some((name("bob"), 99)), ..open.clone() };
        assert_eq!(early.phase(MOST, 150), Phase::Over);
        let late = Exit { approved: Some((name("bob"), 100 + limits::EXIT_WAITS_US)), ..open };
        assert_eq!(late.phase(MOST, 100 + limits::EXIT_WAITS_US), Phase::Over);
    }

    #[test]
    fn what_is_approved_is_what_was_seen() {
        let asked = Exit::ask(None, (name("ann"), "x", 2), (MOST, 100)).unwrap();
        assert_eq!(asked.approve(name("bob"), 99, (MOST, 200)), Err(ExitFault::Nothing));
        assert_eq!(asked.approve(name("ANN"), 100, (MOST, 200)), Err(ExitFault::Alone));
        let again = Exit::ask(Some(&asked), (name("bob"), "y", 1), (MOST, 200));
        assert_eq!(again, Err(ExitFault::Waiting));
        let open = asked.approve(name("bob"), 100, (MOST, 200)).unwrap();
        assert_eq!(open.approve(name("cid"), 100, (MOST, 201)), Err(ExitFault::Nothing));
        for minutes in [0, MOST + 1, u64::MAX] {
            let refused = Exit::ask(None, (name("ann"), "x", minutes), (MOST, 1));
            assert_eq!(refused, Err(ExitFault::Minutes(MOST)));
        }
        let long = "é".repeat(limits::EXIT_REASON_CHARS + 1);
        let cut = Exit::ask(None, (name("ann"), &long, 1), (MOST, 1)).unwrap();
        assert_eq!(cut.reason.chars().count(), limits::EXIT_REASON_CHARS);
    }

    #[test]
    fn what_is_no_record_is_none() {
        let whole = Exit::ask(None, (name("ann"), "x", 2), (MOST, 100)).unwrap();
        let whole = whole.approve(name("bob"), 100, (MOST, 200)).unwrap().to_json();
        assert!(Exit::parse(whole.to_string().as_bytes()).is_some());
        for field in ["by", "reason", "minutes", "asked_us", "approved_us"] {
            let mut part = whole.clone();
            part.as_object_mut().unwrap().remove(field);
            assert_eq!(Exit::parse(part.to_string().as_bytes()), None, "{field}");
            part[field] = json!([]);
            assert_eq!(Exit::parse(part.to_string().as_bytes()), None, "{field}");
        }
        let mut nobody = whole;
        nobody["approved_by"] = "no name".into();
        assert_eq!(Exit::parse(nobody.to_string().as_bytes()), None);
        assert_eq!(Exit::parse(b""), None);
    }
}
