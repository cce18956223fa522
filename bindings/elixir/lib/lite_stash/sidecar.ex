defmodule LiteStash.Sidecar do
  @moduledoc false
  # Owns the port of an engine. If the engine dies it starts another one, makes the subscriptions anew, and asks again
  # what only reads; who waits for a write is told that its outcome is unknown.

  use GenServer

  alias LiteStash.{Backend, Error, Value}

  # How long an engine may take to open the stash, beside what it waits for others.
  @open_ms 60_000

  # More deaths than this within the time are the end: the supervisor decides.
  @deaths 5
  @deaths_within_ms 10_000

  # The hello may hold a key, the requests hold values.
  @derive {Inspect, only: [:path, :port, :deaths]}
  defstruct [
    :hello,
    :path,
    :port,
    :owner,
    # Whether there is nothing to go on with when the engine has died.
    :in_memory?,
    pending: %{},
    subscriptions: %{},
    deaths: [],
    closing?: false
  ]

  @spec start_link(binary(), keyword()) :: GenServer.on_start()
  def start_link(hello, options), do: GenServer.start_link(__MODULE__, {hello, options, self()})

  @doc "Sends a request; returns the answer's payload, or an error if there is none."
  @spec request(pid(), pos_integer(), binary(), :repeat | :once | :close) ::
          {:answer, binary()} | {:error, Error.t()}
  def request(sidecar, id, payload, kind) do
    GenServer.call(sidecar, {:request, id, payload, kind}, :infinity)
  catch
    :exit, _ -> Backend.closed()
  end

  @doc "Sends a subscription; its answer and events come as `{reference, payload}`."
  @spec subscribe(pid(), pos_integer(), reference(), binary()) :: :ok
  def subscribe(sidecar, id, reference, payload),
    do: GenServer.cast(sidecar, {:subscribe, id, {self(), reference}, payload})

  @doc "Forgets a subscription."
  @spec forget(pid(), pos_integer()) :: :ok
  def forget(sidecar, id), do: GenServer.cast(sidecar, {:forget, id})

  @spec stop(pid()) :: :ok
  def stop(sidecar) do
    GenServer.stop(sidecar, :normal, 30_000)
  catch
    :exit, _ -> :ok
  end

  @impl true
  def init({hello, options, owner}) do
    Process.flag(:trap_exit, true)

    with {:ok, path} <- program(options),
         {:ok, port} <- start(path, hello) do
      in_memory? = options[:data_dir] == :memory
      {:ok, %__MODULE__{hello: hello, path: path, port: port, owner: owner, in_memory?: in_memory?}}
    else
      {:error, error} -> {:stop, error}
    end
  end

  @impl true
  def handle_call({:request, id, payload, kind}, from, state) do
    sent? = send_frame(state.port, payload)
    request = %{from: from, payload: payload, again?: kind == :repeat or not sent?}
    {:noreply, %{put_in(state.pending[id], request) | closing?: state.closing? or kind == :close}}
  end

  @impl true
  def handle_cast({:subscribe, id, to, payload}, state) do
    send_frame(state.port, payload)
    {:noreply, put_in(state.subscriptions[id], %{to: to, payload: payload, renewed?: false})}
  end

  def handle_cast({:forget, id}, state),
    do: {:noreply, %{state | subscriptions: Map.delete(state.subscriptions, id)}}

  @impl true
  def handle_info({port, {:data, payload}}, %{port: port} = state) do
    id = id(payload)

    case state do
      %{pending: %{^id => request}} ->
        GenServer.reply(request.from, {:answer, payload})
        {:noreply, %{state | pending: Map.delete(state.pending, id)}}

      %{subscriptions: %{^id => subscription}} ->
        {:noreply, forward(state, id, subscription, payload)}

      _ ->
        {:noreply, state}
    end
  end

  def handle_info({port, {:exit_status, _}}, %{port: port} = state), do: revive(state)
  def handle_info({:EXIT, port, _}, %{port: port} = state), do: revive(state)
  def handle_info({:EXIT, owner, _}, %{owner: owner} = state), do: {:stop, :normal, state}
  def handle_info(_, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, %{port: port}), do: shut(port)

  # A subscription that was made anew is answered anew; that is not for its owner.
  defp forward(state, id, %{to: {pid, reference}} = subscription, payload) do
    if subscription.renewed? and status(payload) != 3 do
      put_in(state.subscriptions[id].renewed?, false)
    else
      send(pid, {reference, payload})
      state
    end
  end

  defp revive(state) do
    now = System.monotonic_time(:millisecond)
    deaths = [now | Enum.filter(state.deaths, &(now - &1 < @deaths_within_ms))]

    if length(deaths) > @deaths or state.closing? or state.in_memory? do
      answer_all(state.pending, Backend.closed())
      {:stop, if(state.closing?, do: :normal, else: :engine_died), %{state | pending: %{}}}
    else
      {again, lost} = Enum.split_with(state.pending, fn {_, request} -> request.again? end)
      message = "the engine died before it answered; the write may be there or not"
      answer_all(lost, {:error, Error.new(:indeterminate, message)})

      case start(state.path, state.hello) do
        {:ok, port} ->
          Enum.each(state.subscriptions, fn {_, subscription} -> send_frame(port, subscription.payload) end)
          Enum.each(again, fn {_, request} -> send_frame(port, request.payload) end)
          subscriptions = Map.new(state.subscriptions, fn {id, it} -> {id, %{it | renewed?: true}} end)
          state = %{state | port: port, pending: Map.new(again), subscriptions: subscriptions, deaths: deaths}
          {:noreply, state}

        {:error, error} ->
          answer_all(again, {:error, error})
          {:stop, error, %{state | pending: %{}}}
      end
    end
  end

  defp answer_all(requests, answer),
    do: Enum.each(requests, fn {_, request} -> GenServer.reply(request.from, answer) end)

  defp start(path, hello) do
    port =
      Port.open({:spawn_executable, path}, [
        :binary,
        :exit_status,
        :use_stdio,
        :hide,
        packet: 4,
        args: ["--log", "error"]
      ])

    send_frame(port, hello)

    receive do
      {^port, {:data, payload}} ->
        case payload |> Value.decode() |> Backend.answer() do
          {:ok, _} -> {:ok, port}
          {:error, _} = error -> refused(port, error)
        end

      {^port, {:exit_status, status}} ->
        {:error, Error.new(:io, "the engine ended with status #{status}")}
    after
      @open_ms -> refused(port, {:error, Error.new(:busy, "the engine did not answer")})
    end
  rescue
    error in [ArgumentError, ErlangError] ->
      {:error, Error.new(:io, "the engine cannot be started: #{Exception.message(error)}")}
  end

  defp refused(port, error) do
    shut(port)
    error
  end

  defp shut(port) do
    Port.close(port)
    :ok
  rescue
    # The engine has ended by itself, which closes the port.
    ArgumentError -> :ok
  end

  # `false` if the engine is gone; the port's last message tells of that.
  defp send_frame(port, payload) do
    Port.command(port, payload)
  rescue
    ArgumentError -> false
  end

  defp program(options) do
    candidates = [
      options[:engine],
      System.get_env("LITESTASH_ENGINE"),
      Path.join(:code.priv_dir(:litestash), "native/litestash-engine"),
      System.find_executable("litestash-engine")
    ]

    case Enum.find(candidates, &(&1 && File.regular?(&1))) do
      nil ->
        {:error, Error.new(:invalid_argument, "there is no litestash-engine; the option engine: names it")}

      path ->
        {:ok, Path.expand(path)}
    end
  end

  # The number of an answer and what follows, without decoding the rest.
  defp id(<<0x93, rest::binary>>), do: rest |> int() |> elem(0)
  defp id(_), do: nil

  defp status(<<0x93, rest::binary>>), do: rest |> int() |> elem(1) |> :binary.first()

  defp int(<<0::1, int::7, rest::binary>>), do: {int, rest}
  defp int(<<0xCC, int::8, rest::binary>>), do: {int, rest}
  defp int(<<0xCD, int::16, rest::binary>>), do: {int, rest}
  defp int(<<0xCE, int::32, rest::binary>>), do: {int, rest}
  defp int(<<0xCF, int::64, rest::binary>>), do: {int, rest}
  defp int(rest), do: {nil, rest}
end
