//! What a scheduler can choose now.

use super::{EARLY_UNTIL, World, replica_number};
use crate::exhaustive::{
    case::Action,
    choice::{Access, Candidate, Choice, Item, Touch},
    scheduler::Kind,
};

impl World {
    /// What can be chosen now, what has waited longest first; nothing at the end of a schedule.
    pub(in crate::exhaustive) fn candidates(&self) -> Vec<Candidate> {
        let mut waiting = Vec::new();
        self.scheduler
            .each(|kind, item, parked| waiting.push((parked.since, kind, item, parked.access, parked.orphan)));
        waiting.sort_unstable_by_key(|(since, ..)| *since);
        let mut candidates = Vec::new();
        let mut push = |choice, touch| candidates.push(Candidate { choice, touch });
        for (_, kind, item, access, _) in &waiting {
            match kind {
                Kind::Effect => push(Choice::Effect(*item), Touch::Store(item.replica, *access)),
                Kind::Answer => push(Choice::Answer(*item), Touch::Replica(item.replica)),
                Kind::Event => push(Choice::Event(*item), Touch::Replica(item.replica)),
            }
        }
        for (signal, replica) in self.arrivals() {
            push(Choice::Arrive(signal), Touch::Replica(replica));
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.replica.is_none() {
                push(Choice::Restart(replica_number(index)), Touch::All);
            }
        }
        let nothing_waits = candidates.is_empty();
        if nothing_waits && self.all_answered() || self.stuck {
            return Vec::new();
        }
        if nothing_waits || self.left.early > 0 && self.elapsed() < EARLY_UNTIL {
            candidates.push(Candidate { choice: Choice::Time, touch: Touch::All });
        }
        self.push_action(&mut candidates);
        if self.left.faults > 0 {
            for (_, kind, item, _, orphan) in &waiting {
                self.push_faults(*kind, *item, *orphan, &mut candidates);
            }
            self.push_crashes(&mut candidates);
        }
        candidates
    }

    /// Of `candidates`, those from which all else follows (a persistent set): what can be chosen of a replica that has
    /// sent nothing that has not taken effect, and for which an event waits. Whatever the others do meanwhile only
    /// lengthens the queue behind that event. Everything, while a fault is left, which would be spent elsewhere.
    pub(in crate::exhaustive) fn sufficient(&self, candidates: &[Candidate]) -> Vec<Choice> {
        let all = || candidates.iter().map(|candidate| candidate.choice).collect();
        if self.left.faults > 0 || candidates.iter().any(|candidate| candidate.touch == Touch::All) {
            return all();
        }
        for number in 1..=self.case.replicas {
            let (mut sends, mut hears) = (false, false);
            self.scheduler.each(|kind, item, _| {
                sends |= kind == Kind::Effect && item.replica == number;
                hears |= kind == Kind::Event && item.replica == number;
            });
            if hears && !sends {
                let own = candidates.iter().filter(|candidate| candidate.touch == Touch::Replica(number));
                return own.map(|candidate| candidate.choice).collect();
            }
        }
        all()
    }

    /// Of each replica the first signal that has not arrived: they are all alike.
    pub(super) fn arrivals(&self) -> Vec<(u8, u8)> {
        let mut arrivals: Vec<(u8, u8)> = Vec::new();
        for (index, signal) in self.signals.iter().enumerate() {
            let is_up = self.places[usize::from(signal.replica) - 1].replica.is_some();
            let is_next = arrivals.iter().all(|(_, replica)| *replica != signal.replica);
            if signal.sender.is_none() && is_up && is_next {
                arrivals.push((replica_number(index), signal.replica));
            }
        }
        arrivals
    }

    fn push_action(&self, candidates: &mut Vec<Candidate>) {
        let choice = match self.case.action {
            Some(Action::DeletePredecessor) => Choice::Delete,
            Some(Action::CompleteActive) if self.active().is_some() => Choice::Complete,
            Some(Action::CompleteActive) | None => return,
        };
        if self.left.actions > 0 {
            let access = Access::Write("remediationrequests");
            candidates.push(Candidate { choice, touch: Touch::Store(0, access) });
        }
    }

    fn push_faults(&self, kind: Kind, item: Item, orphan: bool, candidates: &mut Vec<Candidate>) {
        let faults = &self.case.faults;
        let mut push = |choice| candidates.push(Candidate { choice, touch: Touch::Replica(item.replica) });
        match kind {
            Kind::Effect if !orphan => {
                if faults.lost_requests {
                    push(Choice::LoseRequest(item));
                }
                if faults.refusals {
                    push(Choice::Refuse(item));
                }
            }
            Kind::Answer if faults.lost_answers => push(Choice::LoseAnswer(item)),
            _ => {}
        }
    }

    fn push_crashes(&self, candidates: &mut Vec<Candidate>) {
        if !self.case.faults.crashes {
            return;
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.resting || place.replica.is_none() {
                continue;
            }
            let number = replica_number(index);
            let touch = Touch::Replica(number);
            candidates.push(Candidate { choice: Choice::Crash(number), touch });
            let mut sends = false;
            self.scheduler.each(|kind, item, _| sends |= kind == Kind::Effect && item.replica == number);
            if sends {
                candidates.push(Candidate { choice: Choice::CrashLanding(number), touch });
            }
        }
    }
}
