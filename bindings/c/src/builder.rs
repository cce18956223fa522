//! Values built piece by piece. Order of map members, duplicates and limits are looked after here, by the engine's
//! own types and encoder.

use litestash_core::contract::msgpack;
use litestash_core::limits::{DEPTH_MAX, VALUE_BYTES_MAX, VALUES_MAX};
use litestash_core::{Error, ErrorKind, Map, Result, Value};

/// A value that is being built.
///
/// The first mistake is kept: every later step is refused with it, and so is the end, so that a caller needs to
/// look at the end only.
#[derive(Default)]
pub(crate) struct Builder {
    /// Containers that were begun and not ended, the outermost first.
    open: Vec<Container>,
    done: Option<Value>,
    values: usize,
    bytes: usize,
    mistake: Option<(ErrorKind, String)>,
}

enum Container {
    Array(Vec<Value>),
    /// A map, and the key whose value comes next.
    Map(Map, Option<String>),
}

impl Builder {
    /// Adds a value at the place that comes next.
    pub(crate) fn value(&mut self, value: Value) -> Result<()> {
        self.step(|builder| {
            builder.count(&value)?;
            builder.place(value)
        })
    }

    /// The key of the next member of the map.
    pub(crate) fn key(&mut self, key: &str) -> Result<()> {
        self.step(|builder| {
            builder.count_bytes(key.len())?;
            match builder.open.last_mut() {
                Some(Container::Map(_, Some(_))) => Err(misplaced("a key where a key's value belongs")),
                Some(Container::Map(members, next)) if !members.contains_key(key) => {
                    *next = Some(key.to_owned());
                    Ok(())
                }
                Some(Container::Map(..)) => Err(Error::new(ErrorKind::InvalidValue, "a map has a key twice")),
                _ => Err(misplaced("a key outside of a map")),
            }
        })
    }

    pub(crate) fn begin_array(&mut self) -> Result<()> {
        self.begin(Container::Array(Vec::new()))
    }

    pub(crate) fn begin_map(&mut self) -> Result<()> {
        self.begin(Container::Map(Map::new(), None))
    }

    /// Ends the container that was begun last.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.step(|builder| match builder.open.pop() {
            None => Err(misplaced("an end without a beginning")),
            Some(Container::Map(_, Some(_))) => Err(misplaced("a key without a value")),
            Some(Container::Map(members, None)) => builder.place(Value::Map(members)),
            Some(Container::Array(elements)) => builder.place(Value::Array(elements)),
        })
    }

    /// The canonical encoding of what was built. The builder begins anew, also after a mistake.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>> {
        let built = std::mem::take(self);
        built.check()?;
        if !built.open.is_empty() {
            return Err(misplaced("an array or map that was not ended"));
        }
        let value = built.done.ok_or_else(|| misplaced("no value was built"))?;
        let mut encoded = Vec::new();
        msgpack::encode(&value, &mut encoded)?;
        Ok(encoded)
    }

    /// Does a step if there was no mistake before, and keeps its own.
    fn step(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.check()?;
        step(self).inspect_err(|error| self.refuse(error))
    }

    /// Makes the builder useless until its end, which has that error.
    pub(crate) fn refuse(&mut self, error: &Error) {
        self.mistake.get_or_insert_with(|| (error.kind(), error.message().to_owned()));
    }

    fn check(&self) -> Result<()> {
        match &self.mistake {
            Some((kind, message)) => Err(Error::new(*kind, message.clone())),
            None => Ok(()),
        }
    }

    fn begin(&mut self, container: Container) -> Result<()> {
        self.step(|builder| {
            builder.room()?;
            if builder.open.len() >= DEPTH_MAX {
                let message = format!("the value is nested deeper than {DEPTH_MAX}");
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            builder.count_value()?;
            builder.open.push(container);
            Ok(())
        })
    }

    /// Refuses a value where none belongs.
    fn room(&self) -> Result<()> {
        match self.open.last() {
            None if self.done.is_some() => Err(misplaced("a second value; only one can be stored")),
            Some(Container::Map(_, None)) => Err(misplaced("a value where a key belongs")),
            _ => Ok(()),
        }
    }

    fn place(&mut self, value: Value) -> Result<()> {
        self.room()?;
        match self.open.last_mut() {
            None => self.done = Some(value),
            Some(Container::Array(elements)) => elements.push(value),
            Some(Container::Map(members, next)) => {
                if let Some(key) = next.take() {
                    members.insert(key, value);
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Text(text) => self.count_bytes(text.len())?,
            Value::Bytes(bytes) => self.count_bytes(bytes.len())?,
            Value::Vector(vector) => self.count_bytes(4 * vector.0.len())?,
            // Those that come whole were within the limits by themselves; together the encoder counts them.
            _ => {}
        }
        self.count_value()
    }

    fn count_value(&mut self) -> Result<()> {
        self.values += 1;
        if self.values > VALUES_MAX {
            let message = format!("the value holds more than {VALUES_MAX} values");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }

    fn count_bytes(&mut self, bytes: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > VALUE_BYTES_MAX {
            let message = format!("the value has more than {VALUE_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }
}

fn misplaced(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use litestash_core::contract::interchange::value_to_json;

    fn built(steps: impl FnOnce(&mut Builder) -> Result<()>) -> Result<String> {
        let mut builder = Builder::default();
        // As in C, only the end is looked at.
        let _ = steps(&mut builder);
        let mut json = String::new();
        value_to_json(&msgpack::decode(&builder.finish()?)?, &mut json);
        Ok(json)
    }

    fn mistake(steps: impl FnOnce(&mut Builder) -> Result<()>) -> ErrorKind {
        built(steps).unwrap_err().kind()
    }

    #[test]
    fn members_are_sorted_and_containers_nest() {
        let json = built(|builder| {
            builder.begin_map()?;
            builder.key("name")?;
            builder.value("Ada".into())?;
            builder.key("age")?;
            builder.value(36.into())?;
            builder.key("list")?;
            builder.begin_array()?;
            builder.value(Value::Nil)?;
            builder.begin_map()?;
            builder.end()?;
            builder.end()?;
            builder.end()
        });
        assert_eq!(json.unwrap(), r#"{"age":36,"list":[null,{}],"name":"Ada"}"#);
    }

    #[test]
    fn mistakes_are_kept_until_the_end() {
        use ErrorKind::{InvalidArgument, InvalidValue, TooLarge};
        assert_eq!(mistake(|_| Ok(())), InvalidArgument);
        assert_eq!(mistake(Builder::begin_map), InvalidArgument);
        assert_eq!(mistake(Builder::end), InvalidArgument);
        assert_eq!(mistake(|builder| builder.key("a")), InvalidArgument);
        let twice = |builder: &mut Builder| {
            builder.begin_map()?;
            for _ in 0..2 {
                builder.key("a")?;
                builder.value(Value::Nil)?;
            }
            builder.end()
        };
        assert_eq!(mistake(twice), InvalidValue);
        let dangling = |builder: &mut Builder| {
            builder.begin_map()?;
            builder.key("a")?;
            builder.end()
        };
        assert_eq!(mistake(dangling), InvalidArgument);
        let deep = |builder: &mut Builder| (0..=DEPTH_MAX).try_for_each(|_| builder.begin_array());
        assert_eq!(mistake(deep), TooLarge);
        let mut builder = Builder::default();
        assert!(builder.end().is_err() && builder.value(1.into()).is_err() && builder.finish().is_err());
        assert!(builder.value(1.into()).is_ok() && builder.finish().is_ok());
    }
}
