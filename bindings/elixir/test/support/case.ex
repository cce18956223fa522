defmodule LiteStash.Case do
  @moduledoc false
  # A stash of its own for each test, in the mode that LITESTASH_MODE names.

  use ExUnit.CaseTemplate

  using do
    quote do
      import LiteStash.Case
      alias LiteStash.{Bytes, Error, NonFinite, Timestamp, Vector}
    end
  end

  setup context do
    dir = LiteStash.Doctest.dir()
    options = Map.get(context, :stash, [])
    stash = if options, do: start_supervised!({LiteStash, [data_dir: dir, mode: mode()] ++ options})
    {:ok, stash: stash, dir: dir}
  end

  @doc "The mode that is tested."
  def mode, do: if(System.get_env("LITESTASH_MODE") == "port", do: :port, else: :nif)

  @doc "The id of an operating system's process with that stash open in the mode `:port`."
  def engine(stash) do
    # One that was just killed has no id any more, and its successor none yet.
    eventually(fn ->
      %{state: sidecar} = LiteStash.Server.connection(stash)
      port = :sys.get_state(sidecar).port
      info = is_port(port) && Port.info(port, :os_pid)
      info && elem(info, 1)
    end)
  end

  @doc "Waits until the function is true."
  def eventually(f, left \\ 400)
  def eventually(_, 0), do: ExUnit.Assertions.flunk("it does not come true")

  def eventually(f, left) do
    f.() || (Process.sleep(25) && eventually(f, left - 1))
  end
end
