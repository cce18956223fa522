# What operations cost, beside DETS and the engine itself. Run by `cargo xtask elixir --bench`; arguments: [--short].

defmodule Bench do
  alias LiteStash.{Native, Value}

  @rounds 9
  @value %{
    "id" => 1001,
    "name" => "Ada Lovelace",
    "mail" => "ada@example.org",
    "age" => 36,
    "on" => true,
    "score" => 0.5
  }

  def run(arguments) do
    short? = "--short" in arguments
    count = if short?, do: 500, else: 5_000
    dir = Path.join(System.tmp_dir!(), "litestash-bench-#{System.pid()}")
    File.rm_rf!(dir)
    File.mkdir_p!(dir)
    keys = for n <- 1..count, do: "key:#{n}"

    try do
      measure(dir, keys, short?)
    after
      File.rm_rf!(dir)
    end
  end

  defp measure(dir, keys, short?) do
    {:ok, encoded} = Value.encode(@value)
    {:ok, nif} = LiteStash.start_link(data_dir: Path.join(dir, "nif"))
    {:ok, port} = LiteStash.start_link(data_dir: Path.join(dir, "port"), mode: :port)
    {:ok, dets} = :dets.open_file(:bench, file: to_charlist(Path.join(dir, "dets")), auto_save: :infinity)
    # Rounds of all take turns, so that what disturbs one disturbs the others too.
    work = [
      nif_set: &LiteStash.set(nif, &1, @value),
      dets_set: &:dets.insert(dets, {&1, @value}),
      port_set: &LiteStash.set(port, &1, @value),
      nif_get: &LiteStash.get(nif, &1),
      dets_get: &:dets.lookup(dets, &1),
      port_get: &LiteStash.get(port, &1)
    ]

    rounds =
      for _ <- 1..@rounds do
        {:ok, {core_set, core_get}} = Native.measure_core(Path.join(dir, "core"), encoded, length(keys))

        work
        |> Map.new(fn {name, f} -> {name, each(keys, f)} end)
        |> Map.merge(%{core_set: core_set, core_get: core_get})
      end

    middle = rounds |> hd() |> Map.new(fn {name, _} -> {name, rounds |> Enum.map(& &1[name]) |> median()} end)

    line(
      "hot get, NIF",
      middle.nif_get,
      "DETS lookup #{ratio(middle.nif_get, middle.dets_get)}, engine #{ratio(middle.nif_get, middle.core_get)}"
    )

    line("hot get, port", middle.port_get, "DETS lookup #{ratio(middle.port_get, middle.dets_get)}")
    allowed = 1.3 * middle.core_set + 2000

    line(
      "set, NIF",
      middle.nif_set,
      "DETS insert #{ratio(middle.nif_set, middle.dets_set)}, 1.3 engine + 2 µs #{ratio(middle.nif_set, allowed)}"
    )

    line("set, port", middle.port_set, "DETS insert #{ratio(middle.port_set, middle.dets_set)}")
    line("engine: set", middle.core_set, "")
    line("engine: get", middle.core_get, "")
    together(nif, short?)
    heartbeat(nif, Path.join(dir, "nif"), if(short?, do: 0.1, else: 2.0))
  end

  # Ticks of 5 ms that a process misses while another one holds every shard and a hundred processes want to write.
  defp heartbeat(stash, dir, seconds) do
    calm = missed_while(fn -> Process.sleep(round(seconds * 1000)) end)

    program = """
    import sqlite3, sys, time
    held = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[2:]]
    for one in held: one.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
    """

    arguments = ["-c", program, to_string(seconds) | Path.wildcard(Path.join(dir, "shard-*.db"))]
    python = System.find_executable("python3")

    held =
      missed_while(fn ->
        port = Port.open({:spawn_executable, python}, [:binary, :exit_status, args: arguments])
        receive do: ({^port, {:data, "held" <> _}} -> :ok)

        1..100
        |> Enum.map(&Task.async(fn -> :ok = LiteStash.set(stash, "held:#{&1}", @value) end))
        |> Task.await_many(:infinity)
      end)

    IO.puts("ticks of 5 ms missed in #{seconds} s: #{calm} in quiet, #{held} while every shard is held")
  end

  defp missed_while(f) do
    parent = self()
    heart = spawn_link(fn -> beat(System.monotonic_time(:microsecond), 0, parent) end)
    f.()
    send(heart, :stop)
    receive do: ({:missed, missed} -> missed)
  end

  defp beat(last, missed, parent) do
    receive do
      :stop -> send(parent, {:missed, missed})
    after
      5 ->
        now = System.monotonic_time(:microsecond)
        beat(now, missed + div(now - last, 5000) - 1, parent)
    end
  end

  # In turn as well, and the first round of each, which makes the rows, is not counted.
  defp together(stash, short?) do
    {processes, each} = if short?, do: {100, 5}, else: {1000, 20}

    [_ | rounds] =
      for _ <- 0..@rounds do
        {throughput(stash, 1, processes * each), throughput(stash, processes, each)}
      end

    one = rounds |> Enum.map(&elem(&1, 0)) |> median()
    many = rounds |> Enum.map(&elem(&1, 1)) |> median()
    times = rounds |> Enum.map(fn {one, many} -> many / one end) |> median()
    IO.puts("sets by one process       #{round(one)} /s")
    IO.puts("sets by #{processes} processes    #{round(many)} /s   #{Float.round(times, 2)} times one")
  end

  defp throughput(stash, processes, each) do
    began = System.monotonic_time(:nanosecond)

    1..processes
    |> Enum.map(fn process ->
      Task.async(fn -> for n <- 1..each, do: :ok = LiteStash.set(stash, "p:#{process}:#{n}", @value) end)
    end)
    |> Task.await_many(:infinity)

    processes * each / ((System.monotonic_time(:nanosecond) - began) / 1.0e9)
  end

  defp median(numbers), do: numbers |> Enum.sort() |> Enum.at(div(length(numbers), 2))

  # Nanoseconds for one.
  defp each(keys, f) do
    began = System.monotonic_time(:nanosecond)
    Enum.each(keys, f)
    (System.monotonic_time(:nanosecond) - began) / length(keys)
  end

  defp ratio(one, other), do: "x#{Float.round(one / other, 2)}"

  defp line(name, ns, note),
    do: IO.puts("#{String.pad_trailing(name, 16)} #{Float.round(ns / 1000, 2)} µs   #{note}")
end

Bench.run(System.argv())
