//! What a control plane reads at its start: certificates, keys, users; and the kubeconfigs of those users.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;

use super::{error::Error, users::ADMIN};

/// The files of one control plane, in its directory.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// Bearer tokens by user.
    tokens: BTreeMap<String, String>,
}

impl Files {
    /// Writes all that does not depend on ports.
    pub(super) fn write(directory: &Path, users: &[&str]) -> Result<Self, Error> {
        let write = |name: &str, text: &str| write(&directory.join(name), text);
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        write("ca.crt", &authority.self_signed(&authority_key)?.pem())?;
        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let signed = server.signed_by(&key, &Issuer::new(authority, authority_key))?;
        write("apiserver.crt", &signed.pem())?;
        write("apiserver.key", &key.serialize_pem())?;
        let service_accounts = KeyPair::generate()?;
        write("service-accounts.key", &service_accounts.serialize_pem())?;
        write("service-accounts.pub", &service_accounts.public_key_pem())?;
        let mut tokens = BTreeMap::new();
        let mut lines = String::new();
        for user in [ADMIN].iter().chain(users) {
            let token = uuid::Uuid::new_v4().simple().to_string();
            let groups = if *user == ADMIN { ",system:masters" } else { "" };
            lines += &format!("{token},{user},{user}{groups}\n");
            tokens.insert((*user).to_owned(), token);
        }
        write("tokens.csv", &lines)?;
        Ok(Self { directory: directory.to_owned(), tokens })
    }

    /// The path of one of them.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a kubeconfig for each user.
    pub(super) fn write_kubeconfigs(&self, server: &str) -> Result<(), Error> {
        for (user, token) in &self.tokens {
            let config = json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "control-plane",
                "clusters": [{"name": "control-plane", "cluster": {
                    "server": server, "certificate-authority": self.path("ca.crt")}}],
                "users": [{"name": user, "user": {"token": token}}],
                "contexts": [{"name": "control-plane", "context": {"cluster": "control-plane", "user": user}}],
            });
            write(&self.path(&kubeconfig_name(user)), &config.to_string())?;
        }
        Ok(())
    }

    /// The kubeconfig of `user`.
    pub(super) fn kubeconfig(&self, user: &str) -> Result<PathBuf, Error> {
        match self.tokens.contains_key(user) {
            true => Ok(self.path(&kubeconfig_name(user))),
            false => Err(Error::UnknownUser { user: user.to_owned(), known: self.tokens.keys().cloned().collect() }),
        }
    }
}

fn kubeconfig_name(user: &str) -> String {
    format!("{}.kubeconfig", user.replace(':', "_"))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source: io::Error| Error::File { path: path.to_owned(), source })
}
