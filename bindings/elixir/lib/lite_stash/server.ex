defmodule LiteStash.Server do
  @moduledoc false
  # Owns an open stash: closes it at the end, forwards events to subscribers, and sees to it that a value is computed
  # by one process at a time. Reading and writing never pass through it.

  use GenServer

  alias LiteStash.{Backend, Compute, Error, Event, Options}

  # A subscriber with that many unread messages gets no more until it has read some.
  @unread_max 10_000

  defmodule Connection do
    @moduledoc false
    defstruct [:backend, :state, :server, :telemetry?]
  end

  defstruct [:connection, :names, subscriptions: %{}, monitors: %{}, computing: %{}]

  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options) do
    # A name that is no atom is looked up by its process.
    GenServer.start_link(__MODULE__, options, Keyword.take(options, [:name]))
  end

  @doc "The connection of a stash, or `nil` if it is not open."
  @spec connection(GenServer.server()) :: %Connection{} | nil
  def connection(server) when is_atom(server) or is_pid(server),
    do: :persistent_term.get({LiteStash, server}, nil)

  def connection(server) do
    case GenServer.whereis(server) do
      pid when is_pid(pid) -> connection(pid)
      _ -> nil
    end
  end

  @spec subscribe(GenServer.server(), Backend.bucket(), map()) :: {:ok, reference()} | {:error, Error.t()}
  def subscribe(server, bucket, options), do: ask(server, {:subscribe, bucket, options})

  @spec unsubscribe(GenServer.server(), reference()) :: boolean() | {:error, Error.t()}
  def unsubscribe(server, reference), do: ask(server, {:unsubscribe, reference})

  @doc """
  Waits until the caller may compute the value, in a request of that number, or another process has. Without `waits?` it
  is told that another process computes.
  """
  @spec begin_compute(GenServer.server(), term(), boolean()) ::
          {:compute, pos_integer()} | {:computed, term()} | :elsewhere | {:error, Error.t()}
  def begin_compute(server, key, waits?), do: ask(server, {:begin_compute, key, waits?})

  @spec end_compute(GenServer.server(), term(), {:ok, term()} | {:error, term()}) :: :ok | {:error, Error.t()}
  def end_compute(server, key, outcome), do: ask(server, {:end_compute, key, outcome})

  defp ask(server, question) do
    GenServer.call(server, question, :infinity)
  catch
    :exit, _ -> Backend.closed()
  end

  @impl true
  def init(options) do
    Process.flag(:trap_exit, true)
    backend = backend(Keyword.get(options, :mode, :nif))

    case backend.open(Options.hello(options), options) do
      {:ok, state} ->
        names = [self() | options |> Keyword.take([:name]) |> Keyword.values() |> Enum.filter(&is_atom/1)]
        telemetry? = Code.ensure_loaded?(:telemetry)
        connection = %Connection{backend: backend, state: state, server: self(), telemetry?: telemetry?}
        Enum.each(names, &:persistent_term.put({LiteStash, &1}, connection))
        {:ok, %__MODULE__{connection: connection, names: names}}

      {:error, error} ->
        {:stop, error}
    end
  catch
    {:refused, error} -> {:stop, error}
  end

  defp backend(:nif), do: Backend.Nif
  defp backend(:port), do: Backend.Port
  defp backend(_), do: Options.refuse("mode: is :nif or :port")

  @impl true
  def handle_call({:subscribe, bucket, options}, {pid, _} = from, state) do
    %{backend: backend, state: connection} = state.connection
    {id, reference} = {Backend.id(), make_ref()}

    case backend.subscribe(connection, id, reference, bucket, [options]) do
      :ok ->
        subscription = %{id: id, pid: pid, from: from, monitor: Process.monitor(pid), missed: 0}
        {:noreply, put_in(state.subscriptions[reference], subscription)}

      error ->
        {:reply, error, state}
    end
  end

  def handle_call({:unsubscribe, reference}, _from, state) do
    {found?, state} = drop_subscription(state, reference)
    {:reply, found?, state}
  end

  def handle_call({:begin_compute, key, waits?}, {pid, _} = from, state) do
    case state.computing do
      %{^key => %{leader: ^pid}} ->
        {:reply, {:error, Error.new(:invalid_argument, "the computation asks for its own key")}, state}

      %{^key => computation} when waits? ->
        {:noreply, put_in(state.computing[key], %{computation | waiting: [from | computation.waiting]})}

      %{^key => _} ->
        {:reply, :elsewhere, state}

      _ ->
        {id, state} = lead(state, key, pid, [])
        {:reply, {:compute, id}, state}
    end
  end

  def handle_call({:end_compute, key, outcome}, _from, state) do
    case Map.pop(state.computing, key) do
      {nil, _} ->
        {:reply, :ok, state}

      {computation, computing} ->
        Process.demonitor(computation.monitor, [:flush])

        answer =
          case outcome do
            {:ok, value} -> {:computed, value}
            _ -> {:error, Error.new(:compute_failed, "the computation failed")}
          end

        Enum.each(computation.waiting, &GenServer.reply(&1, answer))
        monitors = Map.delete(state.monitors, computation.monitor)
        {:reply, :ok, %{state | computing: computing, monitors: monitors}}
    end
  end

  defp lead(state, key, pid, waiting) do
    {id, monitor} = {Backend.id(), Process.monitor(pid)}
    state = put_in(state.computing[key], %{leader: pid, monitor: monitor, waiting: waiting, id: id})
    {id, put_in(state.monitors[monitor], key)}
  end

  @impl true
  def handle_info({reference, payload}, state) when is_reference(reference) and is_binary(payload) do
    case state.subscriptions do
      %{^reference => subscription} ->
        {:noreply, forward(state, reference, subscription, Backend.event(payload))}

      _ ->
        {:noreply, state}
    end
  end

  def handle_info({:DOWN, monitor, :process, pid, _}, state) do
    case Map.pop(state.monitors, monitor) do
      {nil, _} ->
        gone = for {reference, %{pid: ^pid}} <- state.subscriptions, do: reference

        {:noreply,
         Enum.reduce(gone, state, fn reference, state -> state |> drop_subscription(reference) |> elem(1) end)}

      {key, monitors} ->
        {:noreply, succeed(%{state | monitors: monitors}, key)}
    end
  end

  def handle_info(message, state) do
    %{backend: backend, state: connection} = state.connection
    if backend.lost?(connection, message), do: {:stop, :engine_lost, state}, else: {:noreply, state}
  end

  # The process that computed has died: one that waits goes on.
  defp succeed(state, key) do
    {%{waiting: waiting, id: id}, computing} = Map.pop(state.computing, key)
    server = self()
    # Its turn, if it had come to it, is given back by a process that may wait for the engine.
    spawn(fn -> Compute.give_back(server, id) end)
    state = %{state | computing: computing}

    case List.pop_at(waiting, -1) do
      {nil, []} ->
        state

      {first, rest} ->
        {id, state} = lead(state, key, elem(first, 0), rest)
        GenServer.reply(first, {:compute, id})
        state
    end
  end

  defp forward(state, reference, %{from: from} = subscription, {:answer, answer}) when from != nil do
    case answer do
      {:error, _} ->
        Process.demonitor(subscription.monitor, [:flush])
        GenServer.reply(from, answer)
        %{state | subscriptions: Map.delete(state.subscriptions, reference)}

      _ ->
        GenServer.reply(from, {:ok, reference})
        put_in(state.subscriptions[reference].from, nil)
    end
  end

  defp forward(state, reference, subscription, {:event, event}) do
    case Process.info(subscription.pid, :message_queue_len) do
      {_, unread} when unread < @unread_max ->
        event = Event.from_map(event)
        event = %{event | missed: event.missed + subscription.missed}
        send(subscription.pid, {LiteStash, reference, event})
        if subscription.missed > 0, do: put_in(state.subscriptions[reference].missed, 0), else: state

      _ ->
        missed = subscription.missed + 1 + event["missed"]
        put_in(state.subscriptions[reference].missed, missed)
    end
  end

  defp forward(state, _, _, _), do: state

  defp drop_subscription(state, reference) do
    case Map.pop(state.subscriptions, reference) do
      {nil, _} ->
        {false, state}

      {subscription, subscriptions} ->
        %{backend: backend, state: connection} = state.connection
        Process.demonitor(subscription.monitor, [:flush])
        backend.unsubscribe(connection, subscription.id)
        {true, %{state | subscriptions: subscriptions}}
    end
  end

  @impl true
  def terminate(_reason, %{connection: connection, names: names}) do
    connection.backend.close(connection.state)

    for name <- names, :persistent_term.get({LiteStash, name}, nil) == connection do
      :persistent_term.erase({LiteStash, name})
    end
  end
end
