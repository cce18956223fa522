defmodule LiteStash.ValueTest do
  use LiteStash.Case, async: true

  alias LiteStash.{Native, Value}

  defmodule User do
    defstruct [:id, :name]
  end

  defmodule Secret do
    defstruct [:token]
  end

  defimpl LiteStash.Encodable, for: User do
    def encode(user), do: %{id: user.id, name: user.name}
  end

  @round [
    nil,
    true,
    -(2 ** 63),
    2 ** 64 - 1,
    0.0,
    -0.0,
    1.0e300,
    "",
    "grüße",
    <<0xFF>>,
    %Bytes{data: "text"},
    [],
    [1, [2, nil]],
    %{},
    %{"a" => %{"b" => [1.5]}},
    ~U[2026-01-02 03:04:05Z],
    ~U[2026-01-02 03:04:05.678901Z],
    ~U[1969-12-31 23:59:59.000001Z],
    ~U[0000-01-01 00:00:00Z],
    ~U[9999-12-31 23:59:59Z],
    ~U[2500-02-28 00:00:00.500000Z],
    %Timestamp{seconds: 5, nanoseconds: 1},
    %Timestamp{seconds: -(2 ** 62), nanoseconds: 0},
    %Vector{data: <<0, 0, 0x80, 0x3F>>},
    %NonFinite{kind: :nan},
    %NonFinite{kind: :infinity},
    %NonFinite{kind: :negative_infinity}
  ]

  test "values come back as they were", %{stash: stash} do
    for value <- @round do
      :ok = LiteStash.set(stash, "k", value)
      assert same?(LiteStash.get(stash, "k"), {:ok, value}), inspect(value)
      assert same?(value |> Value.encode() |> elem(1) |> Value.decode(), value), inspect(value)
    end
  end

  test "what has another form is documented", %{stash: stash} do
    for {value, read} <- [
          {:atom, "atom"},
          {%{a: :b}, %{"a" => "b"}},
          {%{nil => 1}, %{"nil" => 1}},
          {%User{id: 1, name: "Ada"}, %{"id" => 1, "name" => "Ada"}},
          {[%{user: %User{id: 1}}], [%{"user" => %{"id" => 1, "name" => nil}}]},
          {%Timestamp{seconds: 0, nanoseconds: 1000}, ~U[1970-01-01 00:00:00.000001Z]},
          {%{~U[2026-01-02 03:04:05.5Z] | utc_offset: 3600}, ~U[2026-01-02 02:04:05.500000Z]},
          {%Bytes{data: <<0xFF>>}, <<0xFF>>},
          {Vector.new([1, 2.5]), %Vector{data: <<1.0::float-little-32, 2.5::float-little-32>>}}
        ] do
      :ok = LiteStash.set(stash, "k", value)
      assert LiteStash.get(stash, "k") == {:ok, read}
      assert LiteStash.set(stash, "k", value, ttl: 100_000) == :ok
      assert LiteStash.get(stash, "k") == {:ok, read}
    end
  end

  test "what is no value is refused and nothing is stored", %{stash: stash} do
    refused = [
      {1, 2},
      self(),
      make_ref(),
      &inspect/1,
      <<1::3>>,
      [1 | 2],
      %{1 => 2},
      %{"a" => 1, a: 2},
      %{<<0xFF>> => 1},
      2 ** 64,
      -(2 ** 63) - 1,
      %Secret{token: "x"},
      [%Secret{}],
      %Vector{data: <<1, 2, 3>>},
      %Timestamp{seconds: 0, nanoseconds: 1_000_000_000},
      %Bytes{data: 5},
      %NonFinite{kind: :large}
    ]

    for value <- refused do
      assert {:error, %Error{kind: :invalid_value, message: message}} = LiteStash.set(stash, "k", value)
      refute message =~ "token"
      assert {:error, %Error{kind: :invalid_value}} = LiteStash.add(stash, "k", value)
      assert {:error, %Error{kind: :invalid_value}} = Value.encode(value)
    end

    assert LiteStash.exists(stash, "k") == {:ok, false}
  end

  test "the library and Elixir write and read the same bytes" do
    if Native.loaded?() do
      :rand.seed(:exsss, {1, 2, 3})

      for _ <- 1..3000 do
        value = random(4)
        {:ok, encoded} = Value.encode(value)
        assert Native.encode(value) == {:ok, encoded}
        assert {:ok, decoded} = Native.decode(encoded)
        assert same?(decoded, Value.decode(encoded))
        assert Value.encode(decoded) == {:ok, encoded}
      end
    end
  end

  test "bytes that are no encoding are refused" do
    :rand.seed(:exsss, {4, 5, 6})

    for _ <- 1..3000 do
      bytes = :rand.bytes(:rand.uniform(12))

      try do
        Value.decode(bytes)
      rescue
        ArgumentError -> :ok
      end

      if Native.loaded?(), do: assert(elem(Native.decode(bytes), 0) in [:ok, :error])
    end
  end

  # `==` takes 0.0 and -0.0 for one.
  defp same?(one, other), do: :erlang.term_to_binary(one) == :erlang.term_to_binary(other)

  defp random(0), do: leaf()

  defp random(depth) do
    case :rand.uniform(4) do
      1 -> for _ <- 1..:rand.uniform(5), do: random(depth - 1)
      2 -> for n <- 1..:rand.uniform(40), into: %{}, do: {"key #{n * :rand.uniform(9)}", leaf()}
      3 -> for _ <- 1..:rand.uniform(4), into: %{}, do: {text(), random(depth - 1)}
      4 -> leaf()
    end
  end

  defp leaf do
    case :rand.uniform(9) do
      1 -> Enum.random([nil, true, false])
      2 -> :rand.uniform(2 ** :rand.uniform(63)) - 2 ** (:rand.uniform(63) - 1)
      3 -> :rand.normal() * 10 ** :rand.uniform(200)
      4 -> text()
      5 -> :rand.bytes(:rand.uniform(300))
      6 -> %Bytes{data: :rand.bytes(:rand.uniform(5))}
      7 -> DateTime.from_unix!(:rand.uniform(2 ** 37) * 1_000_000 + :rand.uniform(999_999), :microsecond)
      8 -> %Timestamp{seconds: :rand.uniform(2 ** 40) - 2 ** 39, nanoseconds: :rand.uniform(999_999_999)}
      9 -> %Vector{data: :rand.bytes(4 * :rand.uniform(20))}
    end
  end

  defp text,
    do: for(_ <- 1..:rand.uniform(40), into: "", do: <<Enum.random(Enum.concat(?a..?z, ?à..?ÿ))::utf8>>)
end
