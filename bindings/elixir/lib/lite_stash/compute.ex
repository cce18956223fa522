defmodule LiteStash.Compute do
  @moduledoc false
  # `get_or_set`: one process of this virtual machine asks for the turn to compute, which the engine gives to one over
  # all processes of the machine; the others wait for what it gets.

  alias LiteStash.{Call, Error, Server}

  # Milliseconds between two looks at what somebody else computes.
  @pause_ms 1
  @pause_max_ms 20

  @type members :: %{String.t() => term()}

  @spec run(LiteStash.t(), LiteStash.key(), (() -> term()), members()) :: {:ok, term()} | {:error, Error.t()}
  def run(stash, key, compute, members) do
    # What may be stale looks like any row to a plain look.
    if stale?(members) do
      turn(stash, key, compute, members, false)
    else
      with :error <- LiteStash.fetch(stash, key), do: turn(stash, key, compute, members, true)
    end
  end

  defp turn(stash, key, compute, members, waits?) do
    {server, bucket} = Call.target(stash)
    name = {Call.bucket_name(bucket), if(is_atom(key), do: Atom.to_string(key), else: key)}

    case Server.begin_compute(server, name, waits?) do
      {:compute, id} ->
        lead(stash, key, compute, members, id, &Server.end_compute(server, name, &1))

      {:computed, value} ->
        {:ok, value}

      # The value that is stale, while another process computes the next one.
      :elsewhere ->
        with :error <- LiteStash.fetch(stash, key), do: turn(stash, key, compute, members, true)

      error ->
        error
    end
  end

  defp lead(stash, key, compute, members, id, done) do
    result = with :mine <- ask(stash, key, members, id, @pause_ms), do: keep(stash, key, compute, members, id)
    done.(result)
    result
  catch
    kind, reason ->
      done.({:error, nil})
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  # The value, once it is there, or `:mine`.
  defp ask(stash, key, members, id, pause) do
    case Call.run(stash, "begin_compute", [key, members], id) do
      {:ok, %{"value" => value}} ->
        {:ok, value}

      {:ok, %{"turn" => _}} ->
        :mine

      {:ok, %{"elsewhere" => _}} ->
        Process.sleep(pause)
        ask(stash, key, members, id, min(2 * pause, @pause_max_ms))

      error ->
        error
    end
  end

  defp keep(stash, key, compute, members, id) do
    value =
      try do
        compute.()
      catch
        kind, reason ->
          give_back(stash, id)
          :erlang.raise(kind, reason, __STACKTRACE__)
      end

    case Call.run(stash, "end_compute", [id, value]) do
      {:ok, _} = stored ->
        stored

      # The engine that gave the turn has died.
      :miss ->
        add(stash, key, value, members)

      {:error, %Error{kind: :indeterminate}} ->
        add(stash, key, value, members)

      error ->
        give_back(stash, id)
        error
    end
  end

  @doc "Lets somebody else compute."
  def give_back(stash, id), do: Call.run(stash, "end_compute", [id])

  defp add(stash, key, value, members) do
    deadline = Map.drop(members, ["across_processes", "lease_us", "stale_while_revalidate_us"])

    with {:ok, _} <- Call.run(stash, "add", [key, value, deadline]),
         {:ok, found} <- LiteStash.fetch(stash, key) do
      {:ok, found}
    else
      # It ended at once.
      :error -> {:ok, value}
      error -> error
    end
  end

  defp stale?(members), do: is_map_key(members, "stale_while_revalidate_us")
end
