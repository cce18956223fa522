defmodule LiteStash.Conformance do
  @moduledoc false
  # The runner of the conformance suite (conformance/PROTOCOL.md), in the mode that LITESTASH_MODE names. Keys and values
  # come from JSON as bytes by the library and become terms by `LiteStash.Value`, and the other way round.

  alias LiteStash.{Bytes, Error, ErrorTable, Json, Native, NonFinite, Value}

  @usage "usage: runner script FILE DIR | vectors FILE | dump DIR [KEY] | serve"

  @doc "The program."
  def main(arguments) do
    :io.setopts(:standard_io, encoding: :latin1)
    Logger.configure(level: :none)

    if arguments == ["serve"], do: serve(), else: run(arguments)
    stop(0, nil)
  rescue
    error ->
      stop(if(is_struct(error, File.Error), do: 2, else: 1), Exception.format(:error, error, __STACKTRACE__))
  end

  defp run(arguments) do
    case arguments do
      ["script", file, dir] -> file |> File.read!() |> LiteStash.Conformance.Script.run(dir)
      ["vectors", file] -> file |> File.read!() |> vectors()
      ["dump", dir] -> dump(dir, %{})
      ["dump", dir, key] -> dump(dir, with_key(key))
      _ -> stop(2, @usage)
    end
  end

  defp serve do
    for line <- IO.binstream(:stdio, :line) do
      line |> Json.elements() |> Enum.map(&Json.text/1) |> run()
      print("")
    end
  end

  defp stop(status, message) do
    message && IO.puts(:stderr, message)
    System.halt(status)
  end

  @doc "Prints a line."
  def print(line), do: IO.binwrite([line, ?\n])

  @doc "Opens a stash without background work, at that clock."
  def open(dir, clock, options \\ %{}) do
    mode = if System.get_env("LITESTASH_MODE") == "port", do: :port, else: :nif
    testing = Map.merge(%{"clock_us" => clock, "background" => false}, options)
    # A stash that cannot be opened is an answer, not the end.
    Process.flag(:trap_exit, true)
    LiteStash.start_link(data_dir: dir, mode: mode, testing: testing)
  end

  @doc "Opens a stash to read it."
  def open_to_read(dir, options),
    do: open(dir, 0, Map.merge(options, %{"read_only" => true, "create" => false}))

  @doc "The options of an encrypted stash, with random bytes that are counted."
  def with_key(digits), do: %{"encryption_key" => %Bytes{data: unhex(digits)}, "counted_random" => true}

  defp dump(dir, options) do
    with true <- File.dir?(dir),
         {:ok, stash} <- open_to_read(dir, options) do
      file = Path.join(LiteStash.Doctest.dir(), "rows.jsonl")
      {:ok, _} = LiteStash.export(stash, file)
      LiteStash.close(stash)
      IO.binwrite(File.read!(file))
      File.rm_rf!(Path.dirname(file))
    else
      false -> :ok
      {:error, %Error{kind: :no_stash}} -> :ok
      {:error, error} -> raise error
    end
  end

  @doc "The term that a JSON text stands for."
  def from_json(json), do: json |> Native.value_from_interchange() |> term()

  @doc "The key that a JSON text stands for."
  def key_from_json(json), do: json |> Native.key_from_interchange() |> term()

  defp term({:ok, encoded}), do: {:ok, Value.decode(encoded)}
  defp term({:error, {number, message}}), do: {:error, Error.from_number(number, message)}

  @doc "The term that a JSON text stands for; throws the error."
  def value!(json), do: json |> from_json() |> given!()
  def key!(json), do: json |> key_from_json() |> given!()

  defp given!({:ok, term}), do: term
  defp given!({:error, error}), do: throw({:refused, error})

  @doc "The JSON text of a term."
  def to_json(term) do
    with {:ok, encoded} <- Value.encode(term), {:ok, json} <- Native.value_to_interchange(encoded) do
      json
    else
      {:error, %Error{} = error} -> throw({:refused, error})
      {:error, {number, message}} -> throw({:refused, Error.from_number(number, message)})
    end
  end

  @doc "The JSON text of an error."
  def refused(%Error{kind: kind}), do: ~s({"error":"#{ErrorTable.name(kind)}"})

  defp vectors(text) do
    file = Json.members(text)
    kind = Json.text(file["kind"])

    for case_text <- Json.elements(file["cases"]) do
      given = Json.members(case_text)

      result =
        try do
          vector(kind, given)
        catch
          {:refused, error} -> refused(error)
        end

      print([~s({"id":), given["id"], ~s(,"result":), result, "}"])
    end
  end

  defp vector("keys", given) do
    {json, storage, hash, shard, slot} =
      given["type"] |> Json.text() |> input(Json.text(given["input"])) |> facts()

    ~s({"key":#{json},"storage":"#{storage}","hash":"#{hash}","shard":#{shard},"slot":#{slot}})
  end

  defp vector("values_valid", given) do
    {:ok, encoded} = given["value"] |> value!() |> Value.encode()
    ~s({"encoded":"#{hex(encoded)}","value":#{decoded(given["encoded"])}})
  end

  defp vector("values_invalid", given), do: ~s({"value":#{decoded(given["encoded"])}})

  defp vector("crc", given) do
    crc = given["data"] |> bytes() |> Native.crc()
    ~s({"crc":"#{hex(<<crc::32>>)}"})
  end

  defp vector("records", given) do
    columns = Enum.map(["timestamp", "microsecond"], &String.to_integer(given[&1]))
    arguments = [bytes(given["key_hash"])] ++ columns ++ [bytes(given["record"])]
    record = Native |> apply(:record_facts, arguments) |> native!()
    "{#{record(record)}}"
  end

  defp vector("sealed", given) do
    both = fn one, other, read -> {read.(given[one]), read.(given[other])} end
    place = {Json.text(given["bucket"]), String.to_integer(given["shard"]), String.to_integer(given["slot"])}
    keys = both.("keyring", "encryption_key", &bytes/1)
    key = both.("key_hash", "key_column", &bytes/1)
    version = both.("timestamp", "microsecond", &String.to_integer/1)
    {json, record} = keys |> Native.sealed_facts(place, key, version, bytes(given["record"])) |> native!()
    ~s({"key":#{json},#{record(record)}})
  end

  defp vector("interchange", given) do
    {:ok, encoded} = given["json"] |> Json.text() |> value!() |> Value.encode()
    ~s({"encoded":"#{hex(encoded)}"})
  end

  defp record({flags, expires_at, idle_us, body}) do
    number = &(&1 || "null")

    ~s("flags":#{flags},"expires_at":#{number.(expires_at)},"idle_us":#{number.(idle_us)},"body":"#{hex(body)}")
  end

  # The engine says whether the bytes are canonical, before Elixir reads them.
  defp decoded(json) do
    encoded = bytes(json)
    encoded |> Native.value_to_interchange() |> native!()
    encoded |> Value.decode() |> to_json()
  end

  defp input("text", hex) do
    text = unhex(hex)

    if String.valid?(text),
      do: text,
      else: throw({:refused, Error.new(:invalid_key, "text that is not UTF-8")})
  end

  defp input("integer", decimal), do: String.to_integer(decimal)
  defp input("bytes", hex), do: %Bytes{data: unhex(hex)}

  defp input("float", hex) do
    case unhex(hex) do
      <<float::float>> -> float
      <<0x7FF0000000000000::64>> -> %NonFinite{kind: :infinity}
      <<0xFFF0000000000000::64>> -> %NonFinite{kind: :negative_infinity}
      _ -> %NonFinite{kind: :nan}
    end
  end

  defp facts(key), do: key |> Native.key_facts() |> native!()

  defp native!({:ok, result}), do: result
  defp native!({:error, {number, message}}), do: throw({:refused, Error.from_number(number, message)})

  defp bytes(json), do: json |> Json.text() |> unhex()
  defp hex(bytes), do: Base.encode16(bytes, case: :lower)
  defp unhex(hex), do: Base.decode16!(hex, case: :lower)
end
