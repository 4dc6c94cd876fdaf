//! What the end-to-end tests share: namespaces, servers, load, and the agent under test.
