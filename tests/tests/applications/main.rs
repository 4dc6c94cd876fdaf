//! Real applications in two releases each, mirrored and compared.

/// Opens a stage with all that the applications are installed by and run on, or skips the test.
macro_rules! stage {
    () => {
        shadow_tests::stage!(
            "root", "agent", "python3", "pip3", "node", "npm", "nginx", "apache2"
        )
    };
}

mod correlated;
mod graphql;
mod mirrored;
mod same_release;
mod two_releases;
