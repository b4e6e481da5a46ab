//! Hooks: put, checked, healed and taken away, beside those of others. With the
//! other tools themselves: `coexist`.

mod all;
mod chained;
mod elsewhere;
mod healing;
mod noticing;
mod restoring;
mod retired;

use crate::world::World;

/// Starts a repository whose hooks are others'.
fn with_hook(name: &str, text: &str) -> World {
    let world = World::new().repo("app", &[("a.txt", "one\n")]);
    World::script(&world.at("app").hook(name), text);
    world.up()
}
