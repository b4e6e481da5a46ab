mod changes;
mod contents;
mod layouts;
mod measured;
mod moving;
mod world;
