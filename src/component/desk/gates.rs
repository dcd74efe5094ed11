//! The gates: which have greeted, and which are refused.

use std::sync::Arc;

use super::Desk;
use crate::component::feed::Feed;
use crate::wire::greeting::{Hello, HelloError};
use crate::xmpp::element::Element;

impl Desk {
    /// The link is gone: no gate is known until it greets again.
    pub fn link_lost(&mut self) {
        self.refused.clear();
        for hello in self.services.values_mut() {
            *hello = None;
        }
    }

    /// A gate introduces itself. What is known of its rooms stays until they are read.
    ///
    /// # Errors
    /// It speaks another version. It is refused until it greets again.
    pub fn hello(&mut self, service: &Arc<str>, element: &Element) -> Result<Element, HelloError> {
        match Hello::read(element) {
            Ok(hello) => {
                self.refused.remove(service);
                self.feeds.entry(Arc::clone(service)).or_default().greeted();
                self.services.insert(Arc::clone(service), Some(hello));
                Ok(self.welcome(service))
            }
            Err(error) => {
                self.refused.insert(Arc::clone(service), error.clone());
                self.services.insert(Arc::clone(service), None);
                Err(error)
            }
        }
    }

    /// The services whose gates have greeted.
    pub fn greeted(&self) -> Vec<Arc<str>> {
        let greeted = self.services.iter().filter(|(_, hello)| hello.is_some());
        greeted.map(|(service, _)| Arc::clone(service)).collect()
    }

    /// Returns the services whose gates have greeted and whose rooms were not read since: what is known of these may be
    /// out of date.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        let greeted = self.services.iter().filter(|(_, hello)| hello.is_some());
        let is_unread = |service: &&Arc<str>| !self.feeds.get(*service).is_some_and(Feed::is_read);
        greeted.map(|(service, _)| service).filter(is_unread).map(|service| &**service)
    }

    /// The services of the file, and what their gates have said of themselves.
    pub fn services(&self) -> impl Iterator<Item = (&str, Option<&Hello>)> {
        self.services.iter().map(|(domain, hello)| (&**domain, hello.as_ref()))
    }

    /// Why the gate of a service is refused; `None`: it is not.
    pub fn refusal(&self, service: &str) -> Option<&HelloError> {
        self.refused.get(service)
    }
}
