//! Several keys at once: operations as objects, and what they answer.

use crate::deadline::{condition, deadline};
use crate::encode::encoded;
use crate::error::{Raise, invalid, raised};
use crate::stash::{Stash, entry};
use crate::wait::detached;
use crate::{decode, key};
use litestash_core::{
    Action, Condition, Op as CoreOp, Outcome as Answer, SetOptions, TransactionOutcome, Version,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList};

/// An operation for `apply` and `transaction`: a key, and what is done with it.
///
/// Made by its static methods, which take what the methods of the same name of a stash take:
///
/// >>> import litestash
/// >>> stash = litestash.LiteStash.memory()
/// >>> from litestash import Op
/// >>> stash.apply([Op.set("a", 1), Op.incr("a", 2), Op.get("a"), Op.get("b")])[1:]
/// [3, 3, MISSING]
#[pyclass(frozen, module = "litestash")]
pub(crate) struct Op(pub(crate) CoreOp);

/// An increment by an `int` or a `float`.
pub(crate) fn increment(by: &Bound<'_, PyAny>) -> PyResult<Action> {
    if let Ok(float) = by.cast::<PyFloat>() {
        return Ok(Action::IncrementFloat(float.value()));
    }
    if by.is_instance_of::<PyInt>() && !by.is_instance_of::<PyBool>() {
        let by = by.extract().map_err(|_| invalid(by.py(), "by must fit 64 signed bits"));
        return by.map(Action::Increment);
    }
    Err(PyTypeError::new_err("by is an int or a float"))
}

pub(crate) fn expire(
    py: Python<'_>,
    ttl: Option<&Bound<'_, PyAny>>,
    idle: Option<&Bound<'_, PyAny>>,
    expires_at: Option<&Bound<'_, PyAny>>,
) -> PyResult<Action> {
    let deadline = deadline(py, ttl, idle, expires_at)?;
    deadline.map(Action::Expire).ok_or_else(|| invalid(py, "one of ttl, idle and expires_at must be given"))
}

/// `MISSING` is expected of a key that is not there.
pub(crate) fn compare_and_set(expected: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Action> {
    let absent = expected.is(&missing(value.py())?);
    let expected = if absent { None } else { Some(encoded(expected)?) };
    Ok(Action::CompareAndSet { expected, encoded: encoded(value)? })
}

fn op(key: &Bound<'_, PyAny>, action: Action) -> PyResult<Op> {
    CoreOp::new(key::owned(key)?, action).raise(key.py()).map(Op)
}

#[pymethods]
impl Op {
    #[staticmethod]
    fn get(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Get)
    }

    #[staticmethod]
    fn exists(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Exists)
    }

    #[staticmethod]
    fn entry(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Entry)
    }

    #[staticmethod]
    #[pyo3(signature = (key, value, *, ttl = None, idle = None, expires_at = None, keep_ttl = false,
        if_absent = false, if_present = false, if_version = None))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of the method in Python")]
    fn set(
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        idle: Option<&Bound<'_, PyAny>>,
        expires_at: Option<&Bound<'_, PyAny>>,
        keep_ttl: bool,
        if_absent: bool,
        if_present: bool,
        if_version: Option<i64>,
    ) -> PyResult<Self> {
        let deadline = deadline(py, ttl, idle, expires_at)?;
        let condition = condition(py, if_absent, if_present, if_version)?;
        let options = SetOptions { deadline, keep_ttl, condition };
        op(key, Action::Set { encoded: encoded(value)?, options })
    }

    #[staticmethod]
    fn delete(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Delete)
    }

    #[staticmethod]
    fn take(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Take)
    }

    #[staticmethod]
    #[pyo3(signature = (key, by = None))]
    fn incr(key: &Bound<'_, PyAny>, by: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        op(key, by.map_or(Ok(Action::Increment(1)), increment)?)
    }

    #[staticmethod]
    fn compare_and_set(
        key: &Bound<'_, PyAny>,
        expected: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        op(key, compare_and_set(expected, value)?)
    }

    #[staticmethod]
    #[pyo3(signature = (key, ttl = None, *, idle = None, expires_at = None))]
    fn expire(
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        idle: Option<&Bound<'_, PyAny>>,
        expires_at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        op(key, expire(py, ttl, idle, expires_at)?)
    }

    #[staticmethod]
    fn persist(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Persist)
    }

    #[staticmethod]
    fn touch(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Touch)
    }

    /// Asks whether a key is there (`present`), is not (`absent`), or has a version. What does not hold refuses a
    /// transaction.
    #[staticmethod]
    #[pyo3(signature = (key, *, present = false, absent = false, version = None))]
    fn check(
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        present: bool,
        absent: bool,
        version: Option<i64>,
    ) -> PyResult<Self> {
        match (present, absent, version) {
            (true, false, None) => op(key, Action::Check(Condition::Present)),
            (false, true, None) => op(key, Action::Check(Condition::Absent)),
            (false, false, Some(us)) => op(key, Action::Check(Condition::Version(Version::from_micros(us)))),
            _ => Err(invalid(py, "one of present, absent and version must be given")),
        }
    }

    /// Asks whether a key holds that value. As `check`.
    #[staticmethod]
    fn expect(key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        op(key, Action::Expect(encoded(value)?))
    }

    fn __repr__(&self) -> String {
        let name = match self.0.action() {
            Action::Get => "get",
            Action::Exists => "exists",
            Action::Entry => "entry",
            Action::Set { .. } => "set",
            Action::Delete => "delete",
            Action::Take => "take",
            Action::Increment(_) | Action::IncrementFloat(_) => "incr",
            Action::CompareAndSet { .. } => "compare_and_set",
            Action::Expire(_) => "expire",
            Action::Persist => "persist",
            Action::Touch => "touch",
            Action::Expect(_) => "expect",
            _ => "check",
        };
        format!("<Op {name}>")
    }
}

static MISSING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// `litestash.MISSING`, which stands for a row that is not there.
pub(crate) fn missing(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let found = MISSING
        .get_or_try_init(py, || py.import("litestash._missing")?.getattr("MISSING").map(Bound::unbind))?;
    Ok(found.bind(py).clone())
}

/// What an operation answered.
pub(crate) fn object(py: Python<'_>, answer: Answer) -> PyResult<Bound<'_, PyAny>> {
    Ok(match answer {
        Answer::Value(Some(body)) => decode::object(py, &body)?,
        Answer::Entry(Some(row)) => entry(py, &row)?.into_pyobject(py)?.into_any(),
        Answer::Flag(flag) => PyBool::new(py, flag).to_owned().into_any(),
        Answer::Version(Some(version)) => version.micros().into_pyobject(py)?.into_any(),
        Answer::Version(None) => py.None().into_bound(py),
        Answer::Int(int) => int.into_pyobject(py)?.into_any(),
        Answer::Float(float) => PyFloat::new(py, float).into_any(),
        _ => missing(py)?,
    })
}

/// What operations answered, and the exceptions of those that were refused.
fn objects(py: Python<'_>, answers: Vec<litestash_core::Result<Answer>>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for answer in answers {
        match answer {
            Ok(answer) => list.append(object(py, answer)?)?,
            Err(error) => list.append(raised(py, &error).into_value(py))?,
        }
    }
    Ok(list)
}

fn ops(given: &Bound<'_, PyAny>) -> PyResult<Vec<CoreOp>> {
    given.try_iter()?.map(|one| Ok(one?.cast::<Op>()?.get().0.clone())).collect()
}

fn keys(given: &Bound<'_, PyAny>, action: &Action) -> PyResult<(Vec<Py<PyAny>>, Vec<CoreOp>)> {
    let mut objects = Vec::new();
    let mut ops = Vec::new();
    for one in given.try_iter()? {
        let one = one?;
        ops.push(op(&one, action.clone())?.0);
        objects.push(one.unbind());
    }
    Ok((objects, ops))
}

#[pymethods]
impl Stash {
    fn apply<'py>(&self, py: Python<'py>, ops: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let ops = self::ops(ops)?;
        let answers = self.run(py, |stash| stash.apply(&ops))?;
        objects(py, answers)
    }

    /// Operations one by one, as the methods of their names do them: what is read so is in memory afterwards.
    fn _perform<'py>(&self, py: Python<'py>, ops: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let ops = self::ops(ops)?;
        let handle = self.handle(py)?;
        let answers = detached(py, || {
            let stash = handle.ready()?;
            Ok(ops.iter().map(|op| stash.perform(op)).collect::<Vec<_>>())
        });
        objects(py, answers.raise(py)?)
    }

    fn transaction<'py>(&self, py: Python<'py>, ops: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let ops = self::ops(ops)?;
        match self.run(py, |stash| stash.transaction(&ops))? {
            TransactionOutcome::Committed(answers) => {
                let list = PyList::empty(py);
                for answer in answers {
                    list.append(object(py, answer)?)?;
                }
                Ok(list.into_any())
            }
            TransactionOutcome::Refused { index } => {
                let class = py.import("litestash._errors")?.getattr("RefusedError")?;
                Err(PyErr::from_value(class.call1((index,))?))
            }
        }
    }

    #[pyo3(signature = (keys, *, r#type = None))]
    fn get_many<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'py, PyAny>,
        r#type: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (keys, ops) = self::keys(keys, &Action::Get)?;
        let answers = self.run(py, |stash| stash.apply_all(&ops))?;
        let found = PyDict::new(py);
        for (key, answer) in keys.into_iter().zip(answers) {
            if let Answer::Value(Some(body)) = answer {
                let value = decode::object(py, &body)?;
                found.set_item(
                    key,
                    match r#type {
                        None => value,
                        Some(kind) => crate::stash::load(value, kind)?,
                    },
                )?;
            }
        }
        Ok(found)
    }

    #[pyo3(signature = (items, *, ttl = None, idle = None, expires_at = None))]
    fn set_many(
        &self,
        py: Python<'_>,
        items: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        idle: Option<&Bound<'_, PyAny>>,
        expires_at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<i64>> {
        let options = SetOptions { deadline: deadline(py, ttl, idle, expires_at)?, ..SetOptions::default() };
        let items = if items.hasattr("items")? { items.call_method0("items")? } else { items.clone() };
        let mut ops = Vec::new();
        for item in items.try_iter()? {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
            ops.push(op(&key, Action::Set { encoded: encoded(&value)?, options })?.0);
        }
        let answers = self.run(py, |stash| stash.apply_all(&ops))?;
        let version = |answer| match answer {
            Answer::Version(Some(version)) => Some(version.micros()),
            _ => None,
        };
        Ok(answers.into_iter().filter_map(version).collect())
    }

    fn delete_many(&self, py: Python<'_>, keys: &Bound<'_, PyAny>) -> PyResult<Vec<bool>> {
        let (_, ops) = self::keys(keys, &Action::Delete)?;
        let answers = self.run(py, |stash| stash.apply_all(&ops))?;
        Ok(answers.into_iter().map(|answer| answer == Answer::Flag(true)).collect())
    }
}
