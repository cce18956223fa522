defmodule LiteStash.OperationsTest do
  use LiteStash.Case, async: true

  test "a value is stored, read, replaced and removed", %{stash: stash} do
    assert LiteStash.set(stash, "k", 1) == :ok
    assert LiteStash.get(stash, "k") == {:ok, 1}
    assert LiteStash.fetch(stash, "k") == {:ok, 1}
    assert LiteStash.exists(stash, "k") == {:ok, true}
    assert LiteStash.replace(stash, "k", 2) == {:ok, true}
    assert LiteStash.add(stash, "k", 3) == {:ok, false}
    assert LiteStash.take(stash, "k") == {:ok, 2}
    assert LiteStash.take(stash, "k") == {:ok, nil}
    assert LiteStash.get(stash, "k") == {:ok, nil}
    assert LiteStash.fetch(stash, "k") == :error
    assert LiteStash.replace(stash, "k", 2) == {:ok, false}
    assert LiteStash.add(stash, "k", 3) == {:ok, true}
    assert LiteStash.delete(stash, "k") == {:ok, true}
    assert LiteStash.delete(stash, "k") == {:ok, false}
    assert LiteStash.len(stash) == {:ok, 0}
  end

  test "a stored nil is told from a miss", %{stash: stash} do
    :ok = LiteStash.set(stash, "k", nil)
    assert LiteStash.get(stash, "k") == {:ok, nil}
    assert LiteStash.fetch(stash, "k") == {:ok, nil}
    assert LiteStash.fetch(stash, "m") == :error
    assert LiteStash.entry(stash, "m") == {:ok, nil}
    assert {:ok, %LiteStash.Entry{value: nil, size: 1, expires_at: nil}} = LiteStash.entry(stash, "k")
  end

  test "functions with ! return the bare result and raise errors", %{stash: stash} do
    assert LiteStash.set!(stash, "k", 1) == :ok
    assert LiteStash.get!(stash, "k") == 1
    assert LiteStash.fetch!(stash, "k") == 1
    assert LiteStash.increment!(stash, "k") == 2
    assert_raise KeyError, fn -> LiteStash.fetch!(stash, "m") end
    error = assert_raise Error, fn -> LiteStash.set!(stash, "k", {1}) end
    assert %{kind: :invalid_value, number: 3, retry: :never} = error
    assert_raise Error, ~r/invalid_key/, fn -> LiteStash.get!(stash, nil) end
  end

  test "what is no key is refused everywhere", %{stash: stash} do
    for key <- [
          nil,
          true,
          {1},
          [1],
          %{},
          self(),
          2 ** 63,
          -(2 ** 63) - 1,
          ~U[2026-01-01 00:00:00Z],
          <<1::3>>
        ] do
      assert {:error, %Error{kind: :invalid_key}} = LiteStash.get(stash, key)
      assert {:error, %Error{kind: :invalid_key}} = LiteStash.set(stash, key, 1)
      assert {:error, %Error{kind: :invalid_key}} = LiteStash.delete(stash, key)
      assert {:error, %Error{kind: :invalid_key}} = LiteStash.get_many(stash, ["a", key])
      assert {:error, %Error{kind: :invalid_key}} = LiteStash.set_many(stash, [{key, 1}])
    end

    assert {:error, %Error{kind: :invalid_key}} = LiteStash.get(stash, %NonFinite{kind: :nan})
    assert {:error, %Error{kind: :too_large}} = LiteStash.get(stash, String.duplicate("k", 2049))
  end

  test "atoms, numbers and bytes as keys", %{stash: stash} do
    :ok = LiteStash.set(stash, :name, 1)
    assert LiteStash.get(stash, "name") == {:ok, 1}
    :ok = LiteStash.set(stash, 1, "one")
    assert LiteStash.get(stash, 1.0) == {:ok, "one"}
    assert LiteStash.fetch(stash, "1") == :error
    :ok = LiteStash.set(stash, 0.5, "half")
    assert LiteStash.get(stash, 0.5) == {:ok, "half"}
    :ok = LiteStash.set(stash, %NonFinite{kind: :infinity}, "all")
    assert LiteStash.get(stash, %NonFinite{kind: :infinity}) == {:ok, "all"}
    :ok = LiteStash.set(stash, <<255, 1>>, "bytes")
    assert LiteStash.get(stash, %Bytes{data: <<255, 1>>}) == {:ok, "bytes"}
    :ok = LiteStash.set(stash, %Bytes{data: "name"}, "other")
    assert LiteStash.get(stash, "name") == {:ok, 1}
    keys = stash |> LiteStash.keys() |> Enum.to_list()
    assert %Bytes{data: "name"} in keys and "name" in keys and 1 in keys and length(keys) == 6
  end

  test "conditions", %{stash: stash} do
    assert {:ok, version} = LiteStash.set_versioned(stash, "k", 1)
    assert LiteStash.set(stash, "k", 2, if: :absent) == :skipped
    assert LiteStash.set(stash, "k", 2, if: {:version, version}) == :ok
    assert LiteStash.set(stash, "k", 3, if: {:version, version}) == :skipped
    assert LiteStash.set_versioned(stash, "m", 3, if: :present) == {:ok, nil}
    assert LiteStash.compare_and_set(stash, "k", {:value, 2.0}, 4) == {:ok, false}
    assert LiteStash.compare_and_set(stash, "k", {:value, 2}, 4) == {:ok, true}
    assert LiteStash.compare_and_set(stash, "k", :absent, 5) == {:ok, false}
    assert LiteStash.check(stash, "k", {:value, 4}) == {:ok, true}
    assert LiteStash.check(stash, "k", :absent) == {:ok, false}
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.set(stash, "k", 1, if: :maybe)
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.set(stash, "k", 1, till: 5)
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.compare_and_set(stash, "k", 5, 5)
  end

  test "numbers are counted", %{stash: stash} do
    assert LiteStash.increment(stash, "n") == {:ok, 1}
    assert LiteStash.increment(stash, "n", -5) == {:ok, -4}
    assert LiteStash.increment_float(stash, "f", 0.5) == {:ok, 0.5}
    assert LiteStash.increment_float(stash, "f", 2) == {:ok, 2.5}
    :ok = LiteStash.set(stash, "t", "text")
    assert {:error, %Error{kind: :type_mismatch}} = LiteStash.increment(stash, "t")
    :ok = LiteStash.set(stash, "n", 0x7FFFFFFFFFFFFFFF)
    assert {:error, %Error{kind: :overflow}} = LiteStash.increment(stash, "n")
    nan = %NonFinite{kind: :nan}
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.increment_float(stash, "f", nan)
  end

  test "deadlines", %{stash: stash} do
    :ok = LiteStash.set(stash, "k", 1, ttl: {1, :hour})
    assert {:ok, left} = LiteStash.ttl(stash, "k")
    assert left in 3_590_000..3_600_000
    assert {:ok, at} = LiteStash.expires_at(stash, "k")
    :ok = LiteStash.set(stash, "k", 2, keep_ttl: true)
    assert LiteStash.expires_at(stash, "k") == {:ok, at}
    assert LiteStash.persist(stash, "k") == {:ok, true}
    assert LiteStash.ttl(stash, "k") == {:ok, :never}
    assert LiteStash.ttl(stash, "m") == {:ok, nil}
    assert LiteStash.expire(stash, "k", expires_at: ~U[2020-01-01 00:00:00Z]) == {:ok, true}
    assert LiteStash.get(stash, "k") == {:ok, nil}
    :ok = LiteStash.set(stash, "k", 1, idle: {2, :minute})
    assert LiteStash.touch(stash, "k") == {:ok, true}
    assert {:ok, %{idle_us: 120_000_000}} = LiteStash.entry(stash, "k")
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.set(stash, "k", 1, ttl: 0)
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.set(stash, "k", 1, ttl: 5, idle: 5)
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.set(stash, "k", 1, ttl: {1, :year})
  end

  test "many keys at once", %{stash: stash} do
    assert {:ok, [_, _]} = LiteStash.set_many(stash, %{"a" => 1, "b" => nil})
    assert LiteStash.get_many(stash, ["a", "b", "c"]) == {:ok, %{"a" => 1, "b" => nil}}
    assert LiteStash.delete_many(stash, ["a", "c"]) == {:ok, [true, false]}
    assert {:error, %Error{kind: :invalid_value}} = LiteStash.set_many(stash, [{"x", 1}, {"y", {}}])
    assert LiteStash.exists(stash, "x") == {:ok, false}
    assert {:error, %Error{kind: :too_large}} = LiteStash.get_many(stash, Enum.to_list(0..10_000))
  end

  test "batches and transactions", %{stash: stash} do
    assert {:ok, [{:ok, version}, {:ok, 1}, :miss, {:error, %Error{kind: :type_mismatch}}]} =
             LiteStash.batch(stash, [
               {:set, "a", "text"},
               {:increment, "n"},
               {:get, "m"},
               {:increment, "a"}
             ])

    assert is_integer(version)
    assert LiteStash.transaction(stash, [{:check, "n", {:value, 1}}, {:add, "a", 0}]) == {:refused, 1}

    assert {:ok, [{:ok, true}, {:ok, 5}, {:ok, %LiteStash.Entry{value: 5}}]} =
             LiteStash.transaction(stash, [{:check, "n", :present}, {:increment, "n", 4}, {:entry, "n"}])

    assert {:error, %Error{kind: :type_mismatch}} =
             LiteStash.transaction(stash, [{:set, "z", 1}, {:increment, "a"}])

    assert LiteStash.exists(stash, "z") == {:ok, false}
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.batch(stash, [{:jump, "n"}])
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.batch(stash, [:get])
    assert {:error, %Error{kind: :invalid_key}} = LiteStash.batch(stash, [{:get, [1]}])
  end

  test "buckets", %{stash: stash} do
    bucket = LiteStash.bucket(stash, "sessions")
    assert LiteStash.get(bucket, "k") == {:ok, nil}
    assert LiteStash.buckets(stash) == {:ok, []}
    :ok = LiteStash.set(bucket, "k", "inner")
    :ok = LiteStash.set(stash, "k", "outer")
    assert LiteStash.get(bucket, "k") == {:ok, "inner"}
    assert Enum.to_list(bucket) == [{"k", "inner"}]
    assert Enum.count(bucket) == 1 and {"k", "inner"} in bucket
    assert LiteStash.buckets(stash) == {:ok, ["sessions"]}
    assert LiteStash.drop_bucket(stash, "sessions") == {:ok, true}
    assert LiteStash.drop_bucket(stash, "sessions") == {:ok, false}
    assert LiteStash.get(bucket, "k") == {:ok, nil}
    assert LiteStash.get(stash, "k") == {:ok, "outer"}
    empty = LiteStash.bucket(stash, "")
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.get(empty, "k")
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.set(empty, "k", 1)
  end

  test "listings are lazy, resumable and end", %{stash: stash} do
    {:ok, _} = LiteStash.set_many(stash, for(n <- 1..700, do: {"user:#{n}", n}))
    :ok = LiteStash.set(stash, 5, "five")
    assert stash |> LiteStash.keys(prefix: "user:") |> Enum.count() == 700
    assert stash |> LiteStash.values(page: 7) |> Enum.count() == 701
    assert stash |> LiteStash.items(limit: 10) |> Enum.to_list() |> length() == 10
    assert %{"user:3" => 3} = stash |> LiteStash.items() |> Map.new()
    assert {:ok, %{items: first, cursor: cursor, errors: []}} = LiteStash.page(stash, :keys, limit: 300)
    assert {:ok, %{items: second}} = LiteStash.page(stash, :keys, limit: 1000, cursor: cursor)
    assert length(Enum.uniq(first ++ second)) == 701
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.page(stash, :keys, cursor: "none of ours")
    assert LiteStash.clear(stash) == :ok
    assert stash |> LiteStash.keys() |> Enum.to_list() == []
  end

  test "care", %{stash: stash, dir: dir} do
    {:ok, _} = LiteStash.set_many(stash, for(n <- 1..50, do: {n, "row #{n}"}))
    assert LiteStash.sync(stash) == :ok
    assert {:ok, %{"problems" => [], "rows" => 50}} = LiteStash.verify(stash)
    assert {:ok, stats} = LiteStash.stats(stash)
    assert is_map(stats)
    assert {:ok, _} = LiteStash.compact(stash)
    assert {:ok, %{"rows" => 50}} = LiteStash.export(stash, Path.join(dir, "rows.jsonl"))
    assert {:ok, _} = LiteStash.backup(stash, Path.join(dir, "copy"))

    copy =
      start_supervised!({LiteStash, data_dir: Path.join(dir, "copy"), name: :copy, mode: mode()}, id: :copy)

    assert LiteStash.len(copy) == {:ok, 50}
    assert LiteStash.clear(copy) == :ok
    assert {:ok, _} = LiteStash.import_from(copy, Path.join(dir, "rows.jsonl"), keep_versions: true)
    assert LiteStash.entry(copy, 7) == LiteStash.entry(stash, 7)
    assert {:error, %Error{}} = LiteStash.export(stash, Path.join(dir, "rows.jsonl"))
    :ok = LiteStash.set(stash, "gone", 1, expires_at: 1)
    assert {:ok, %{"rows" => 1}} = LiteStash.sweep(stash)
    assert LiteStash.expire_older_than(stash, {1, :day}) == {:ok, 0}
  end

  test "values of many megabytes", %{stash: stash} do
    bytes = :binary.copy(<<0xFF, 1, 2, 3>>, 3_000_000)
    :ok = LiteStash.set(stash, "large", bytes)
    assert LiteStash.get(stash, "large") == {:ok, bytes}
    assert LiteStash.take(stash, "large") == {:ok, bytes}
    assert LiteStash.add(stash, "large", Enum.to_list(1..200_000)) == {:ok, true}
    assert LiteStash.get(stash, "large") == {:ok, Enum.to_list(1..200_000)}
    assert {:error, %Error{kind: :too_large}} = LiteStash.set(stash, "k", nested(65))
    assert LiteStash.set(stash, "k", nested(64)) == :ok
    assert LiteStash.get(stash, "k") == {:ok, nested(64)}
    assert {:ok, [_]} = LiteStash.set_many(stash, [{"k", nested(64)}])
    assert {:error, %Error{kind: :too_large}} = LiteStash.set(stash, "k", nested(100_000))
    assert {:error, %Error{kind: :too_large}} = LiteStash.add(stash, "k", nested(100_000))
  end

  @tag stash: [max_rows: 3, eviction: :least_recently_stored, default_ttl: {1, :hour}]
  test "limits and a default time to live", %{stash: stash} do
    for n <- 1..10, do: :ok = LiteStash.set(stash, n, n)
    assert {:ok, rows} = LiteStash.len(stash)
    assert rows <= 3
    assert {:ok, left} = LiteStash.ttl(stash, 10)
    assert left in 3_500_000..3_600_000
  end

  test "a bucket with options of its own", %{stash: stash} do
    options = [default_ttl: {1, :hour}, max_rows: 3, eviction: :least_recently_stored, durability: :full]
    bucket = LiteStash.bucket(stash, "small", options)
    for n <- 1..10, do: :ok = LiteStash.set(bucket, n, n)
    assert {:ok, rows} = LiteStash.len(bucket)
    assert rows <= 3
    assert LiteStash.get(bucket, 10) == {:ok, 10}
    assert {:ok, left} = LiteStash.ttl(bucket, 10)
    assert left in 3_500_000..3_600_000
    # By its name alone it is the same bucket.
    assert LiteStash.get(LiteStash.bucket(stash, "small"), 10) == {:ok, 10}
    other = LiteStash.bucket(stash, "small", max_rows: 4)
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.get(other, 10)
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.set(other, 10, 1)
    assert {:ok, reference} = LiteStash.subscribe(bucket)
    assert LiteStash.delete(bucket, 10) == {:ok, true}
    assert_receive {LiteStash, ^reference, %LiteStash.Event{kind: :delete, key: 10}}, 5000
    forever = LiteStash.bucket(stash, "forever", default_ttl: :infinity, cache: false, value_bytes_max: 10)
    :ok = LiteStash.set(forever, "k", 1)
    assert LiteStash.ttl(forever, "k") == {:ok, :never}
    assert {:error, %Error{kind: :too_large}} = LiteStash.set(forever, "k", String.duplicate("x", 20))

    for options <- [[colour: :red], [durability: :most], [eviction: :all], [default_ttl: :never]] do
      assert_raise Error, ~r/invalid_argument/, fn -> LiteStash.bucket(stash, "b", options) end
    end

    assert LiteStash.drop_bucket(stash, "small") == {:ok, true}
    assert LiteStash.len(bucket) == {:ok, 0}
  end

  defp nested(depth), do: Enum.reduce(2..depth, [], fn _, inner -> [inner] end)
end
