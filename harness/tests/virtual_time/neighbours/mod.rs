//! Hostile but legal neighbours: what other programs and operators do within their rights, and what the gateway is to do then.
//!
//! Each says what is wanted. What the first version did, which counted in the status in the version read, was measured when
//! they were written.
//!
//! | | scenario | the first version |
//! |---|---|---|
//! | 1 | [`history`]: etcd and API servers are restored, and what is active again had been seen to end and go | a twin by the next signal, 201, with watches that break and without; not detected |
//! | | etcd is restored under a live API server | 60 of 60 signals 504, after 15 s and 1,025 requests in all; `/readyz` 200 |
//! | | everything is restored, and what was active is active again | holds: 202, one request a signal |
//! | 2 | [`clocks`]: a replica goes on after 176 s of suspension with a watch that is half open | a twin 2.5 s later, 201 |
//! | 3 | leases in an etcd of their own, a view that is silent for 176 s | a twin after the next lock, 201 |
//! | 4 | [`maps`]: annotations of terminal ones are replaced, generation after generation | holds once; the third generation 504 |
//! | | of several terminal ones of the predecessor service the newest suppresses nothing | an older one suppresses: 202 |
//! | | an active one of the predecessor service | holds: it counts on |
//! | 5 | [`counts`]: a typed controller writes while an answer to a count is lost, five times | 12 counted of 7 |
//! | 6 | forty replicas count while an answer to one is lost | 81 counted of 80 |
//! | 7 | [`admission`]: the CRD without `writers` is applied and put right again | not ready afterwards; 500 meanwhile |
//! | 8 | one 404 on the status, the first or a later one; since counts stand beside it, on the counter and the object ([`not_found`](super::succession)) | the signals after it 504 |
//! | 9 | a quota, a policy or a webhook refuses the create, a signal every 10 s | claimed anew each time: 20 writes of claims for 20 signals, 92 requests |
//! | 10 | [`shutdown`]: SIGTERM right after a 201 | the finalizer stays |
//! | 11 | three replicas, one resource, 50 signals a second for 10 s | 500 writes of the RemediationRequest |
//! | | a typed controller beside 50 a second, and beside 1,000 a second | 0 of 2 changes in 5 s and 200 writes each, in both |

mod admission;
mod clocks;
mod controls;
mod counts;
mod history;
mod maps;
mod shutdown;
