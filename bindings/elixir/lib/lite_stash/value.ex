defmodule LiteStash.Value do
  @moduledoc """
  What Elixir's terms are in a stash.

  | Elixir | in the stash | read back as |
  |---|---|---|
  | `nil`, `true`, `false` | nil, a boolean | the same |
  | an integer from -2^63 to 2^64-1 | an integer | the same |
  | a float | a float; `1.0` stays a float | the same |
  | a binary that is valid UTF-8 | text | the same |
  | any other binary | bytes | the same |
  | `t:LiteStash.Bytes.t/0` | bytes | a binary; the struct if it is valid UTF-8 |
  | an atom | text | a binary |
  | a list | an array | the same |
  | a map with keys that are text or atoms | a map | a map whose keys are binaries |
  | `DateTime`, `t:LiteStash.Timestamp.t/0` | a timestamp | `DateTime` in UTC with 0 or 6 digits; the struct where no `DateTime` can be |
  | `t:LiteStash.Vector.t/0` | a vector | the same |
  | `t:LiteStash.NonFinite.t/0` | a float | the same |
  | any other struct | what `LiteStash.Encodable` says | that |

  Everything else is `:invalid_value`: tuples, functions, pids, references, bitstrings, improper lists, and maps with
  other keys or with the same key as an atom and as text.

  The functions here are the same mapping without a stash; the encoding is canonical MessagePack.
  """

  import Bitwise

  alias LiteStash.{Bytes, Encodable, Error, NonFinite, Timestamp, Vector}

  # Deeper than anything that the engine lets through, requests around values included.
  @depth_max 80

  @nan 0x7FF8000000000000
  @nan32 <<0x7FC00000::little-32>>

  @doc """
  The encoding of a term.

      iex> LiteStash.Value.encode(%{a: [1, nil]})
      {:ok, <<0x81, 0xA1, "a", 0x92, 1, 0xC0>>}
      iex> {:error, error} = LiteStash.Value.encode({1, 2})
      iex> error.kind
      :invalid_value
  """
  @spec encode(term()) :: {:ok, binary()} | {:error, Error.t()}
  def encode(term) do
    {:ok, IO.iodata_to_binary([write(term, 0)])}
  catch
    {:refused, error} -> {:error, error}
  end

  @doc """
  The term of a canonical encoding. Raises `ArgumentError` for what is none.

      iex> LiteStash.Value.decode(<<0x81, 0xA1, "a", 0x92, 1, 0xC0>>)
      %{"a" => [1, nil]}
  """
  @spec decode(binary()) :: term()
  def decode(encoded) do
    case read(encoded) do
      {term, <<>>} -> term
      {_, _} -> unreadable()
    end
  end

  @doc false
  # The term with every struct that the native library does not know converted.
  @spec prepare(term()) :: {:ok, term()} | {:error, Error.t()}
  def prepare(term) do
    {:ok, convert(term)}
  catch
    {:refused, error} -> {:error, error}
  end

  @known [Bytes, NonFinite, Timestamp, Vector]

  defp convert(%module{} = struct) when module in @known, do: struct
  defp convert(%DateTime{calendar: Calendar.ISO} = moment), do: moment
  defp convert(%DateTime{} = moment), do: iso(moment)
  defp convert(%_{} = struct), do: struct |> by_protocol() |> convert()
  defp convert(%{} = map), do: Map.new(map, fn {key, value} -> {key, convert(value)} end)
  defp convert([head | tail]), do: [convert(head) | convert(tail)]
  defp convert(term), do: term

  defp by_protocol(struct) do
    case Encodable.impl_for(struct) do
      nil -> refuse(:invalid_value, "a struct that LiteStash.Encodable is not implemented for")
      implementation -> implementation.encode(struct)
    end
  end

  defp iso(moment) do
    case DateTime.convert(moment, Calendar.ISO) do
      {:ok, moment} -> moment
      {:error, _} -> refuse(:invalid_value, "a DateTime that the ISO calendar does not have")
    end
  end

  defp write(_, depth) when depth > @depth_max, do: refuse(:too_large, "the value is nested too deep")
  defp write(nil, _), do: 0xC0
  defp write(false, _), do: 0xC2
  defp write(true, _), do: 0xC3
  defp write(atom, _) when is_atom(atom), do: text(Atom.to_string(atom))
  defp write(int, _) when is_integer(int), do: integer(int)
  defp write(float, _) when is_float(float), do: <<0xCB, float::float>>

  defp write(binary, _) when is_binary(binary),
    do: if(String.valid?(binary), do: text(binary), else: bytes(binary))

  defp write([], _), do: 0x90

  defp write(list, depth) when is_list(list) do
    {elements, count} = elements(list, depth, [], 0)
    [head(count, 0x90, 15, 0xDC) | elements]
  end

  defp write(%Bytes{data: data}, _) when is_binary(data), do: bytes(data)
  defp write(%NonFinite{kind: :nan}, _), do: <<0xCB, @nan::64>>
  defp write(%NonFinite{kind: :infinity}, _), do: <<0xCB, 0x7FF0000000000000::64>>
  defp write(%NonFinite{kind: :negative_infinity}, _), do: <<0xCB, 0xFFF0000000000000::64>>

  defp write(%Vector{data: data}, _) when is_binary(data) and rem(byte_size(data), 4) == 0,
    do: extension(1, vector(data))

  defp write(%Timestamp{seconds: seconds, nanoseconds: nanoseconds}, _)
       when seconds >= -(1 <<< 63) and seconds < 1 <<< 63 and nanoseconds in 0..999_999_999,
       do: moment(seconds, nanoseconds)

  defp write(%DateTime{} = moment, _) do
    moment = iso(moment)
    {microsecond, _} = moment.microsecond
    moment(DateTime.to_unix(%{moment | microsecond: {0, 0}}), microsecond * 1000)
  end

  defp write(%module{}, _) when module in @known,
    do: refuse(:invalid_value, "a struct with members that it cannot have")

  defp write(%_{} = struct, depth), do: struct |> by_protocol() |> write(depth + 1)

  defp write(%{} = map, depth) do
    members = map |> Enum.map(fn {key, value} -> {map_key(key), value} end) |> List.keysort(0)
    unique(members)

    [
      head(map_size(map), 0x80, 15, 0xDE)
      | Enum.map(members, fn {key, value} -> [text(key), write(value, depth + 1)] end)
    ]
  end

  defp write(_, _),
    do: refuse(:invalid_value, "a tuple, function, pid, port, reference or bitstring is no value")

  defp elements([head | tail], depth, written, count),
    do: elements(tail, depth, [written | [write(head, depth + 1)]], count + 1)

  defp elements([], _, written, count), do: {written, count}
  defp elements(_, _, _, _), do: refuse(:invalid_value, "an improper list is no value")

  defp map_key(key) when is_atom(key), do: Atom.to_string(key)

  defp map_key(key) do
    if is_binary(key) and String.valid?(key),
      do: key,
      else: refuse(:invalid_value, "a map key is neither text nor an atom")
  end

  defp unique([{key, _} | [{key, _} | _]]),
    do: refuse(:invalid_value, "a map has a key twice, as an atom and as text")

  defp unique([_ | rest]), do: unique(rest)
  defp unique([]), do: :ok

  defp integer(int) when int in 0..127, do: int
  defp integer(int) when int in -32..-1, do: <<int::8>>
  defp integer(int) when int in 0..0xFF, do: <<0xCC, int::8>>
  defp integer(int) when int in 0..0xFFFF, do: <<0xCD, int::16>>
  defp integer(int) when int in 0..0xFFFFFFFF, do: <<0xCE, int::32>>
  defp integer(int) when int >= 0 and int < 1 <<< 64, do: <<0xCF, int::64>>
  defp integer(int) when int in -0x80..-1, do: <<0xD0, int::8>>
  defp integer(int) when int in -0x8000..-1, do: <<0xD1, int::16>>
  defp integer(int) when int in -0x80000000..-1, do: <<0xD2, int::32>>
  defp integer(int) when int < 0 and int >= -(1 <<< 63), do: <<0xD3, int::64>>
  defp integer(_), do: refuse(:invalid_value, "an integer is out of range")

  defp text(text) when byte_size(text) < 32, do: [0xA0 ||| byte_size(text) | text]
  defp text(text), do: [sized(byte_size(text), 0xD9) | text]

  defp bytes(bytes), do: [sized(byte_size(bytes), 0xC4) | bytes]

  defp sized(size, first) when size <= 0xFF, do: <<first, size>>
  defp sized(size, first) when size <= 0xFFFF, do: <<first + 1, size::16>>
  defp sized(size, first) when size <= 0xFFFFFFFF, do: <<first + 2, size::32>>
  defp sized(_, _), do: refuse(:too_large, "a length over 32 bits cannot be stored")

  defp head(count, short, most, _) when count <= most, do: short ||| count
  defp head(count, _, _, first) when count <= 0xFFFF, do: <<first, count::16>>
  defp head(count, _, _, first) when count <= 0xFFFFFFFF, do: <<first + 1, count::32>>
  defp head(_, _, _, _), do: refuse(:too_large, "a count over 32 bits cannot be stored")

  defp extension(type, payload) do
    size = byte_size(payload)

    case size do
      1 -> [0xD4, type, payload]
      2 -> [0xD5, type, payload]
      4 -> [0xD6, type, payload]
      8 -> [0xD7, type, payload]
      16 -> [0xD8, type, payload]
      _ -> [sized(size, 0xC7), type, payload]
    end
  end

  defp moment(seconds, nanoseconds) when seconds >= 0 and seconds < 1 <<< 34 do
    case nanoseconds <<< 34 ||| seconds do
      packed when packed <= 0xFFFFFFFF -> extension(0xFF, <<packed::32>>)
      packed -> extension(0xFF, <<packed::64>>)
    end
  end

  defp moment(seconds, nanoseconds), do: extension(0xFF, <<nanoseconds::32, seconds::64>>)

  # There is one NaN.
  defp vector(data) do
    if for(<<bits::little-32 <- data>>, nan32?(bits), do: bits) == [] do
      data
    else
      for <<bits::little-32 <- data>>, into: <<>>, do: if(nan32?(bits), do: @nan32, else: <<bits::little-32>>)
    end
  end

  defp nan32?(bits), do: (bits &&& 0x7FFFFFFF) > 0x7F800000

  defp read(<<0xC0, rest::binary>>), do: {nil, rest}
  defp read(<<0xC2, rest::binary>>), do: {false, rest}
  defp read(<<0xC3, rest::binary>>), do: {true, rest}
  defp read(<<0::1, int::7, rest::binary>>), do: {int, rest}
  defp read(<<0b111::3, int::5, rest::binary>>), do: {int - 32, rest}
  defp read(<<0xCC, int::8, rest::binary>>), do: {int, rest}
  defp read(<<0xCD, int::16, rest::binary>>), do: {int, rest}
  defp read(<<0xCE, int::32, rest::binary>>), do: {int, rest}
  defp read(<<0xCF, int::64, rest::binary>>), do: {int, rest}
  defp read(<<0xD0, int::signed-8, rest::binary>>), do: {int, rest}
  defp read(<<0xD1, int::signed-16, rest::binary>>), do: {int, rest}
  defp read(<<0xD2, int::signed-32, rest::binary>>), do: {int, rest}
  defp read(<<0xD3, int::signed-64, rest::binary>>), do: {int, rest}
  defp read(<<0xCB, float::float, rest::binary>>), do: {float, rest}
  defp read(<<0xCB, 0x7FF0000000000000::64, rest::binary>>), do: {%NonFinite{kind: :infinity}, rest}
  defp read(<<0xCB, 0xFFF0000000000000::64, rest::binary>>), do: {%NonFinite{kind: :negative_infinity}, rest}
  defp read(<<0xCB, @nan::64, rest::binary>>), do: {%NonFinite{kind: :nan}, rest}
  defp read(<<0b101::3, size::5, text::binary-size(size), rest::binary>>), do: {text, rest}
  defp read(<<0xD9, size::8, text::binary-size(size), rest::binary>>), do: {text, rest}
  defp read(<<0xDA, size::16, text::binary-size(size), rest::binary>>), do: {text, rest}
  defp read(<<0xDB, size::32, text::binary-size(size), rest::binary>>), do: {text, rest}
  defp read(<<0xC4, size::8, data::binary-size(size), rest::binary>>), do: {read_bytes(data), rest}
  defp read(<<0xC5, size::16, data::binary-size(size), rest::binary>>), do: {read_bytes(data), rest}
  defp read(<<0xC6, size::32, data::binary-size(size), rest::binary>>), do: {read_bytes(data), rest}
  defp read(<<0b1001::4, count::4, rest::binary>>), do: read_list(rest, count, [])
  defp read(<<0xDC, count::16, rest::binary>>), do: read_list(rest, count, [])
  defp read(<<0xDD, count::32, rest::binary>>), do: read_list(rest, count, [])
  defp read(<<0b1000::4, count::4, rest::binary>>), do: read_map(rest, count, [])
  defp read(<<0xDE, count::16, rest::binary>>), do: read_map(rest, count, [])
  defp read(<<0xDF, count::32, rest::binary>>), do: read_map(rest, count, [])
  defp read(<<0xD4, type, data::binary-1, rest::binary>>), do: {read_extension(type, data), rest}
  defp read(<<0xD5, type, data::binary-2, rest::binary>>), do: {read_extension(type, data), rest}
  defp read(<<0xD6, type, data::binary-4, rest::binary>>), do: {read_extension(type, data), rest}
  defp read(<<0xD7, type, data::binary-8, rest::binary>>), do: {read_extension(type, data), rest}
  defp read(<<0xD8, type, data::binary-16, rest::binary>>), do: {read_extension(type, data), rest}

  defp read(<<0xC7, size::8, type, data::binary-size(size), rest::binary>>),
    do: {read_extension(type, data), rest}

  defp read(<<0xC8, size::16, type, data::binary-size(size), rest::binary>>),
    do: {read_extension(type, data), rest}

  defp read(<<0xC9, size::32, type, data::binary-size(size), rest::binary>>),
    do: {read_extension(type, data), rest}

  defp read(_), do: unreadable()

  defp read_bytes(data), do: if(String.valid?(data), do: %Bytes{data: data}, else: data)

  defp read_list(rest, 0, elements), do: {Enum.reverse(elements), rest}

  defp read_list(rest, count, elements) do
    {element, rest} = read(rest)
    read_list(rest, count - 1, [element | elements])
  end

  defp read_map(rest, 0, members), do: {Map.new(members), rest}

  defp read_map(rest, count, members) do
    {key, rest} = read(rest)
    {value, rest} = read(rest)
    is_binary(key) || unreadable()
    read_map(rest, count - 1, [{key, value} | members])
  end

  defp read_extension(0xFF, <<seconds::32>>), do: read_moment(seconds, 0)
  defp read_extension(0xFF, <<nanoseconds::30, seconds::34>>), do: read_moment(seconds, nanoseconds)
  defp read_extension(0xFF, <<nanoseconds::32, seconds::signed-64>>), do: read_moment(seconds, nanoseconds)
  defp read_extension(1, data), do: %Vector{data: data}
  defp read_extension(_, _), do: unreadable()

  # The years 0 to 9999.
  defp read_moment(seconds, nanoseconds)
       when seconds >= -62_167_219_200 and seconds < 253_402_300_800 and rem(nanoseconds, 1000) == 0 do
    microsecond = div(nanoseconds, 1000)
    moment = DateTime.from_unix!(seconds)
    %{moment | microsecond: {microsecond, if(microsecond == 0, do: 0, else: 6)}}
  end

  defp read_moment(seconds, nanoseconds), do: %Timestamp{seconds: seconds, nanoseconds: nanoseconds}

  @spec refuse(LiteStash.ErrorTable.kind(), String.t()) :: no_return()
  defp refuse(kind, message), do: throw({:refused, Error.new(kind, message)})

  @spec unreadable() :: no_return()
  defp unreadable, do: raise(ArgumentError, "this is no canonical encoding of a value")
end
