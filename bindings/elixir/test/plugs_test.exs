defmodule LiteStash.PlugsTest do
  use LiteStash.Case, async: true

  alias LiteStash.{NebulexAdapter, PlugSession}

  describe "sessions" do
    setup %{stash: stash} do
      {:ok, options: PlugSession.init(stash: stash, ttl: {1, :hour})}
    end

    test "are stored, read, changed and removed", %{stash: stash, options: options} do
      session = %{"user" => {:id, 5}, :flash => [:info]}
      id = PlugSession.put(nil, nil, session, options)
      assert String.length(id) == 64
      assert PlugSession.get(nil, id, options) == {id, session}
      assert PlugSession.put(nil, id, %{"n" => 1}, options) == id
      assert PlugSession.get(nil, id, options) == {id, %{"n" => 1}}
      assert {:ok, %{idle_us: 3_600_000_000}} = LiteStash.entry(stash, "session:" <> id)
      assert PlugSession.delete(nil, id, options) == :ok
      assert PlugSession.get(nil, id, options) == {nil, %{}}
    end

    test "of strangers are none", %{stash: stash, options: options} do
      for id <- ["", "x", String.duplicate("é", 32), String.duplicate("a", 64), <<0xFF>>, nil, 5] do
        assert PlugSession.get(nil, id, options) == {nil, %{}}
        assert PlugSession.delete(nil, id, options) == :ok
      end

      id = PlugSession.put(nil, nil, %{}, options)
      :ok = LiteStash.set(stash, "session:" <> id, %Bytes{data: "no term"})
      assert PlugSession.get(nil, id, options) == {nil, %{}}
    end

    test "that other languages read", %{stash: stash} do
      options = PlugSession.init(stash: stash, format: :values)
      id = PlugSession.put(nil, nil, %{user: 5}, options)
      assert PlugSession.get(nil, id, options) == {id, %{"user" => 5}}
      assert LiteStash.get(stash, "session:" <> id) == {:ok, %{"user" => 5}}
      assert_raise ArgumentError, fn -> PlugSession.init([]) end
      assert_raise ArgumentError, fn -> PlugSession.init(stash: stash, format: :json) end
    end

    test "a failure of the stash is raised", %{options: options} do
      options = %{options | stash: :not_open}
      assert_raise Error, fn -> PlugSession.put(nil, nil, %{}, options) end
      assert_raise Error, fn -> PlugSession.get(nil, String.duplicate("a", 64), options) end
    end
  end

  describe "the adapter for Nebulex" do
    setup %{dir: dir} do
      name = Module.concat(__MODULE__, "Cache#{System.unique_integer([:positive])}")
      {:ok, child, meta} = NebulexAdapter.init(cache: name, data_dir: Path.join(dir, "cache"), mode: mode())
      start_supervised!(child)
      {:ok, meta: meta}
    end

    test "keys and values are any terms", %{meta: meta} do
      terms = ["text", 5, {:user, 1}, :atom, nil, 1.5, <<0xFF>>, [1, {2}], %{a: {1}}]

      for term <- terms,
          do: assert(NebulexAdapter.put(meta, term, term, :put, :infinity, false, []) == {:ok, true})

      for term <- terms, do: assert(NebulexAdapter.fetch(meta, term, []) == {:ok, term})
      all = %{op: :get_all, query: {:q, nil}, select: :key}
      assert {:ok, keys} = NebulexAdapter.execute(meta, all, [])
      assert Enum.sort(keys) == Enum.sort(terms)
      assert NebulexAdapter.execute(meta, %{all | op: :count_all}, []) == {:ok, length(terms)}
      few = %{op: :get_all, query: {:in, [5, {:user, 1}, :missing]}, select: {:key, :value}}
      assert NebulexAdapter.execute(meta, few, []) == {:ok, [{5, 5}, {{:user, 1}, {:user, 1}}]}
      assert NebulexAdapter.execute(meta, %{few | op: :count_all}, []) == {:ok, 2}
      assert NebulexAdapter.execute(meta, %{few | op: :delete_all}, []) == {:ok, 2}
      assert {:ok, stream} = NebulexAdapter.stream(meta, %{all | select: :value}, [])
      assert Enum.count(stream) == length(terms) - 2
      assert NebulexAdapter.execute(meta, %{all | op: :delete_all}, []) == {:ok, length(terms) - 2}
      assert {:error, %Nebulex.QueryError{}} = NebulexAdapter.execute(meta, %{all | query: {:q, :other}}, [])
    end

    test "conditions and deadlines", %{meta: meta} do
      assert {:error, %Nebulex.KeyError{key: "k"}} = NebulexAdapter.fetch(meta, "k", [])
      assert NebulexAdapter.put(meta, "k", :a, :replace, :infinity, false, []) == {:ok, false}
      assert NebulexAdapter.put(meta, "k", :a, :put_new, 60_000, false, []) == {:ok, true}
      assert NebulexAdapter.put(meta, "k", :b, :put_new, :infinity, false, []) == {:ok, false}
      assert NebulexAdapter.put(meta, "k", :c, :put, :infinity, true, []) == {:ok, true}
      assert {:ok, left} = NebulexAdapter.ttl(meta, "k", [])
      assert left in 50_000..60_000
      assert NebulexAdapter.expire(meta, "k", :infinity, []) == {:ok, true}
      assert NebulexAdapter.ttl(meta, "k", []) == {:ok, :infinity}
      assert NebulexAdapter.touch(meta, "k", []) == {:ok, true}
      assert NebulexAdapter.has_key?(meta, "k", []) == {:ok, true}
      assert NebulexAdapter.take(meta, "k", []) == {:ok, :c}
      assert {:error, %Nebulex.KeyError{}} = NebulexAdapter.take(meta, "k", [])
      assert {:error, %Nebulex.KeyError{}} = NebulexAdapter.ttl(meta, "k", [])
      assert NebulexAdapter.delete(meta, "k", []) == :ok
      assert NebulexAdapter.put_all(meta, %{1 => :a, 2 => :b}, :put_new, :infinity, []) == {:ok, true}
      assert NebulexAdapter.put_all(meta, [{2, :c}, {3, :c}], :put_new, :infinity, []) == {:ok, false}
      assert NebulexAdapter.has_key?(meta, 3, []) == {:ok, false}
      assert NebulexAdapter.put_all(meta, [{2, :c}, {3, :c}], :put, 60_000, []) == {:ok, true}
      assert NebulexAdapter.fetch(meta, 2, []) == {:ok, :c}
    end

    test "counters", %{meta: meta} do
      assert NebulexAdapter.update_counter(meta, :n, 1, 10, 60_000, []) == {:ok, 11}
      assert NebulexAdapter.update_counter(meta, :n, -5, 10, :infinity, []) == {:ok, 6}
      assert {:ok, left} = NebulexAdapter.ttl(meta, :n, [])
      assert is_integer(left)
      NebulexAdapter.put(meta, :t, "text", :put, :infinity, false, [])

      assert {:error, %Nebulex.Error{reason: %Error{kind: :type_mismatch}}} =
               NebulexAdapter.update_counter(meta, :t, 1, 0, :infinity, [])
    end
  end
end
