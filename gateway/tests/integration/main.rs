//! The gateway's parts from outside, its binary, its image and what is deployed with it; whole gateways over a Kubernetes
//! API are tested in `harness`.

mod audit;
mod chart;
mod config;
mod config_command;
mod crd;
mod documents;
mod http_server;
mod image;
mod imports;
mod process;
mod release;
mod reload;
