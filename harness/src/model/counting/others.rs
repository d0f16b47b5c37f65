//! What happens beside the batches: the RemediationRequest ends, its counter is folded, projected, deleted.

use std::sync::Arc;

use gateway::remediation::Folded;

use super::{
    bounds::Rule,
    state::{Kept, Object, Shared, World},
    steps::Steps,
};

impl Steps<'_> {
    /// What others do to the RemediationRequest and to its counter.
    pub(super) fn live(&mut self) {
        let Shared { object, deletions_left, .. } = self.world.shared;
        let to = |object| World { shared: Shared { object, ..self.world.shared }, ..self.world.clone() };
        if object == Object::Counts {
            let next = to(Object::Ended);
            self.emit("the RemediationRequest ends", None, next);
        }
        if object != Object::Gone && self.bounds.goes {
            let next = to(Object::Gone);
            self.emit("the RemediationRequest is deleted", None, next);
        }
        let Some(total) = self.world.total() else { return };
        if object == Object::Gone {
            let mut next = self.without_counter();
            let (before, base) = (self.world.shared.collected, self.world.shared.counter.map_or(0, |kept| kept.base));
            next.shared.collected =
                Some(before.map_or(total.max(self.bounds.before() + total - base), |before| before + total - base));
            self.emit("its counter is collected", None, next);
        }
        let is_quiet = self.world.writers.iter().all(|writer| writer.is_quiet());
        if deletions_left > 0 && (is_quiet || !self.rules.has(Rule::DeletionWaits)) {
            let mut next = self.without_counter();
            let unsaid = total.cast_signed() - next.shared.status.cast_signed();
            next.shared.lost += unsaid;
            next.shared.deletions_left -= 1;
            self.emit("somebody deletes the counter", None, next);
        }
    }

    /// A projection that is under way then has taken effect before, or never does.
    fn without_counter(&self) -> World {
        let mut next = self.world.clone();
        (next.shared.counter, next.shared.projecting) = (None, None);
        for writer in &mut next.writers {
            if writer.register.is_some() {
                Arc::make_mut(writer).register = None;
            }
        }
        next
    }

    /// Folds registers: one step reads, another writes.
    pub(super) fn fold(&mut self) {
        let Shared { counter, folding, folds_left, .. } = self.world.shared;
        if let Some(tested) = folding {
            let mut lost = self.world.clone();
            lost.shared.folding = None;
            for writer in &mut lost.writers {
                if writer.folding.is_some() {
                    Arc::make_mut(writer).folding = None;
                }
            }
            if let Some(kept) = counter
                && let Some(next) = self.folded(kept, tested, &lost)
            {
                self.emit("a fold takes effect", None, next);
            }
            self.emit("a fold is lost", None, lost);
        } else if let (Some(kept), 1..) = (counter, folds_left) {
            for (index, writer) in self.world.writers.iter().enumerate() {
                if writer.register.is_some() && (writer.is_quiet() || !self.rules.has(Rule::FoldWaits)) {
                    let mut next = self.world.clone();
                    (next.shared.folding, next.shared.folds_left) = (Some(kept.folded), folds_left - 1);
                    Arc::make_mut(&mut next.writers[index]).folding = writer.register;
                    self.emit("its register is to be folded", Some(index), next);
                }
            }
        }
    }

    /// `next` with the fold under way in effect, if its tests hold.
    fn folded(&self, kept: Kept, tested: Option<Folded>, lost: &World) -> Option<World> {
        let mut next = lost.clone();
        let Folded { mut count, sequence } = tested.unwrap_or_default();
        for (writer, before) in next.writers.iter_mut().zip(&self.world.writers) {
            let Some(register) = before.folding else { continue };
            let holds = before.register == Some(register) && kept.folded == tested;
            if before.register.is_none() || !holds && self.rules.has(Rule::FoldTests) {
                return None;
            }
            count += register.count;
            Arc::make_mut(writer).register = None;
        }
        let folded = Some(Folded { count, sequence: sequence + 1 });
        next.shared.counter = Some(Kept { folded, ..kept });
        Some(next)
    }

    /// Brings the status up to the counter: one step reads, another writes.
    pub(super) fn project(&mut self) {
        let Shared { object, status, projecting, projections_left, .. } = self.world.shared;
        let mut next = self.world.clone();
        next.shared.projecting = None;
        if let Some((tested, total)) = projecting {
            self.emit("a projection is lost", None, next.clone());
            if tested == status && object != Object::Gone {
                next.shared.status = total;
                self.emit("a projection takes effect", None, next);
            }
        } else if let (Some(total), 1..) = (self.world.total().filter(|total| *total > status), projections_left) {
            next.shared.projecting = Some((status, total));
            next.shared.projections_left -= 1;
            self.emit("the count is to be projected", None, next);
        }
    }
}
