//! Says for each file that is named how its TLS secrets can be taken, or why not.

use std::env;
use std::fs::File;

use shadow_hooks::{Options, hook_points};

fn main() {
    for path in env::args().skip(1) {
        let hooks = match File::open(&path) {
            Ok(file) => hook_points(&file, Options::default()),
            Err(error) => Err(error.into()),
        };
        match hooks {
            Ok(hooks) => {
                for point in hooks.points {
                    let (library, symbol) = (point.library, point.symbol);
                    println!(
                        "{path}: {library}, {symbol}+{} at {:#x}",
                        point.within, point.offset
                    );
                }
                for reason in hooks.refused {
                    println!("{path}: {reason}");
                }
            }
            Err(reason) => println!("{path}: {reason}"),
        }
    }
}
