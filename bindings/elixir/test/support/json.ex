defmodule LiteStash.Json do
  @moduledoc false
  # Splits JSON texts without reading what is in them, so that numbers stay as they are written.

  @doc "The texts of an object's members, by name."
  def members("{" <> rest), do: members(trim(rest), %{})

  @doc "The texts of an array's elements."
  def elements("[" <> rest), do: elements(trim(rest), [])

  defp members("}" <> _, found), do: found
  defp members("," <> rest, found), do: members(trim(rest), found)

  defp members(text, found) do
    {name, rest} = split(text)
    ":" <> rest = trim(rest)
    {value, rest} = rest |> trim() |> split()
    members(trim(rest), Map.put(found, text(name), value))
  end

  defp elements("]" <> _, found), do: Enum.reverse(found)
  defp elements("," <> rest, found), do: elements(trim(rest), found)

  defp elements(text, found) do
    {value, rest} = split(text)
    elements(trim(rest), [value | found])
  end

  @doc "The text of a string."
  def text(json),
    do: json |> LiteStash.Conformance.from_json() |> then(fn {:ok, text} when is_binary(text) -> text end)

  defp split(text) do
    size = value(text, 0)
    <<value::binary-size(size), rest::binary>> = text
    {value, rest}
  end

  # How many bytes the value at the front has.
  defp value("\"" <> rest, at), do: string(rest, at + 1)
  defp value(<<open, rest::binary>>, at) when open in [?{, ?[], do: container(rest, at + 1, 1)
  defp value(text, at), do: scalar(text, at)

  defp string("\\" <> <<_, rest::binary>>, at), do: string(rest, at + 2)
  defp string("\"" <> _, at), do: at + 1
  defp string(<<_, rest::binary>>, at), do: string(rest, at + 1)

  defp container(_, at, 0), do: at

  defp container("\"" <> rest, at, depth) do
    size = string(rest, 0)
    <<_::binary-size(size), rest::binary>> = rest
    container(rest, at + 1 + size, depth)
  end

  defp container(<<open, rest::binary>>, at, depth) when open in [?{, ?[],
    do: container(rest, at + 1, depth + 1)

  defp container(<<close, rest::binary>>, at, depth) when close in [?}, ?]],
    do: container(rest, at + 1, depth - 1)

  defp container(<<_, rest::binary>>, at, depth), do: container(rest, at + 1, depth)

  defp scalar(<<byte, rest::binary>>, at) when byte not in [?,, ?}, ?], ?\s, ?\n, ?\r, ?\t],
    do: scalar(rest, at + 1)

  defp scalar(_, at), do: at

  defp trim(<<space, rest::binary>>) when space in [?\s, ?\n, ?\r, ?\t], do: trim(rest)
  defp trim(text), do: text
end
