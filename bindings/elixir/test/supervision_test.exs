defmodule LiteStash.SupervisionTest do
  use LiteStash.Case, async: false

  @moduletag stash: nil

  test "under a supervisor, by names, several at once", %{dir: dir} do
    children = [
      {LiteStash, name: :first, data_dir: Path.join(dir, "1"), mode: mode()},
      {LiteStash, name: :second, data_dir: Path.join(dir, "2"), mode: mode(), durability: :full},
      {LiteStash, name: {:global, :third}, data_dir: Path.join(dir, "2"), mode: mode()}
    ]

    supervisor =
      start_supervised!(%{id: :s, start: {Supervisor, :start_link, [children, [strategy: :one_for_one]]}})

    :ok = LiteStash.set(:first, "k", 1)
    :ok = LiteStash.set(:second, "k", 2)
    assert LiteStash.get(:first, "k") == {:ok, 1}
    # One directory, two stashes.
    assert LiteStash.get({:global, :third}, "k") == {:ok, 2}
    assert %{active: 3} = Supervisor.count_children(supervisor)
    assert LiteStash.child_spec(name: :first, data_dir: "x").id == :first
  end

  test "a stash that is killed is opened again under its name", %{dir: dir} do
    start_supervised!({LiteStash, name: :again, data_dir: dir, mode: mode()})
    bucket = LiteStash.bucket(:again, "b")
    for n <- 1..100, do: :ok = LiteStash.set(:again, n, n)
    :ok = LiteStash.set(bucket, "k", 1)
    old = Process.whereis(:again)
    monitor = Process.monitor(old)
    Process.exit(old, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}, 5000
    eventually(fn -> Process.whereis(:again) not in [nil, old] and LiteStash.get(:again, 1) == {:ok, 1} end)
    assert LiteStash.len(:again) == {:ok, 100}
    assert LiteStash.get(bucket, "k") == {:ok, 1}
  end

  test "a stash in memory is there for as long as its process" do
    start_supervised!({LiteStash, name: :fleeting, data_dir: :memory, mode: mode()})
    :ok = LiteStash.set(:fleeting, "k", 1)
    bucket = LiteStash.bucket(:fleeting, "b")
    :ok = LiteStash.set(bucket, "k", 2)
    assert LiteStash.get(:fleeting, "k") == {:ok, 1}
    assert LiteStash.get(bucket, "k") == {:ok, 2}
    assert LiteStash.get_or_set(:fleeting, "computed", fn -> 3 end) == {:ok, 3}
    assert LiteStash.keys(:fleeting) |> Enum.sort() == ["computed", "k"]
    old = Process.whereis(:fleeting)

    # In the mode :port what ends it is the end of its engine: another one would have nothing of it.
    if mode() == :port,
      do: System.cmd("kill", ["-9", to_string(engine(:fleeting))]),
      else: Process.exit(old, :kill)

    eventually(fn ->
      Process.whereis(:fleeting) not in [nil, old] and LiteStash.get(:fleeting, "k") == {:ok, nil}
    end)
  end

  test "after close every function answers closed, and the log is gone", %{dir: dir} do
    {:ok, stash} = LiteStash.start_link(data_dir: dir, mode: mode())
    :ok = LiteStash.set(stash, "k", 1)
    %{backend: backend, state: connection} = LiteStash.Server.connection(stash)
    assert LiteStash.close(stash) == :ok
    assert Path.wildcard(Path.join(dir, "*-wal")) == []
    closed = {:error, Error.new(:closed, "the stash is closed")}
    assert LiteStash.get(stash, "k") == closed
    assert LiteStash.set(stash, "k", 2) == closed
    assert LiteStash.len(stash) == closed
    assert LiteStash.subscribe(stash) == closed
    assert LiteStash.get_or_set(stash, "k", fn -> 1 end) == closed
    # Whoever found the connection just before.
    assert {:error, %Error{kind: :closed}} = backend.get(connection, nil, "k")
    assert {:error, %Error{kind: :closed}} = backend.set(connection, nil, "k", 1)
    assert {:error, %Error{kind: :closed}} = backend.call(connection, nil, "len", [], nil)
    %{place: place} = LiteStash.bucket(stash, "b")
    assert {:error, %Error{kind: :closed}} = backend.call(connection, place, "delete", ["k"], nil)
  end

  test "what cannot be opened is an error", %{dir: dir} do
    Process.flag(:trap_exit, true)

    for {options, kind} <- [
          {[mode: mode()], :invalid_argument},
          {[data_dir: dir, mode: :both], :invalid_argument},
          {[data_dir: dir, mode: mode(), colour: :red], :invalid_argument},
          {[data_dir: :memory, mode: mode(), read_only: true], :invalid_argument},
          {[data_dir: dir, mode: mode(), durability: :most], :invalid_argument},
          {[data_dir: Path.join(dir, "missing"), mode: mode(), create: false], :no_stash}
        ] do
      assert {:error, %Error{kind: ^kind}} = LiteStash.start_link(options)
    end
  end

  test "a stash that only reads", %{dir: dir} do
    {:ok, stash} = LiteStash.start_link(data_dir: dir, mode: mode())
    :ok = LiteStash.set(stash, "k", 1)
    LiteStash.close(stash)
    reader = start_supervised!({LiteStash, data_dir: dir, mode: mode(), read_only: true})
    assert LiteStash.get(reader, "k") == {:ok, 1}
    assert {:error, %Error{kind: :read_only, retry: :after_repair}} = LiteStash.set(reader, "k", 2)
  end

  test "an error is the same whatever the mode" do
    error = Error.new(:busy, "text")
    assert %{kind: :busy, number: 11, retry: :later} = error
    assert Exception.message(error) == "busy: text"
    assert Error.from_number(9999, "text").kind == :internal
    assert LiteStash.ErrorTable.name(:network_file_system) == "NetworkFileSystem"
  end
end
