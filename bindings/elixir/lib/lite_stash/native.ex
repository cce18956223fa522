defmodule LiteStash.Native do
  @moduledoc false
  # The functions of the native library (native/src). Without it every call is an error that says so.

  @on_load :load

  @doc false
  def load do
    path = :filename.join(:code.priv_dir(:litestash), ~c"native/litestash_nif")

    # Without the library everything but this mode works.
    case :erlang.load_nif(path, 0) do
      :ok -> :ok
      {:error, {:load_failed, _}} -> :ok
      {:error, _} = error -> error
    end
  end

  @doc "Whether the library was loaded."
  def loaded? do
    versions()
    true
  rescue
    ErlangError -> false
  end

  def versions, do: missing()
  def encode(_term), do: missing()
  def encode_large(_term), do: missing()
  def decode(_bytes), do: missing()
  def decode_large(_bytes), do: missing()
  def open(_hello), do: missing()
  def submit(_handle, _id, _reference, _payload, _subscribes), do: missing()
  def submit_large(_handle, _id, _reference, _payload), do: missing()
  def forget(_handle, _id), do: missing()
  def perform(_handle, _payload), do: missing()
  def write(_handle, _reference, _payload), do: missing()
  def peek(_handle, _bucket, _key), do: missing()
  def get(_handle, _bucket, _key), do: missing()

  def store(_handle, _reference, _bucket, _key, _value), do: missing()

  # Only where the library was built with the feature `measure`.
  if Mix.env() == :bench do
    def measure_core(_dir, _encoded, _count), do: missing()
  end

  # Only where the library was built with the feature `testing`.
  if Mix.env() == :test do
    def panic_now, do: missing()
    def value_from_interchange(_json), do: missing()
    def value_to_interchange(_encoded), do: missing()
    def key_from_interchange(_json), do: missing()
    def key_facts(_key), do: missing()
    def crc(_data), do: missing()
    def record_facts(_key_hash, _timestamp, _microsecond, _stored), do: missing()
    def sealed_facts(_keys, _place, _key, _version, _record), do: missing()
  end

  defp missing, do: :erlang.nif_error(:litestash_nif_not_loaded)
end
