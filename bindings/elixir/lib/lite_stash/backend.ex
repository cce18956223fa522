defmodule LiteStash.Backend do
  @moduledoc false
  # What the two modes have in common: operations of the sidecar's protocol (docs/ENGINE.md), performed by a library in
  # this virtual machine or by a process beside it.

  alias LiteStash.{Error, Value}

  @type connection :: term()
  @typedoc "How requests name a bucket, as a term and encoded; `nil` for the stash itself."
  @type bucket :: {String.t() | [term()], binary()} | nil
  @type answer :: {:ok, term()} | :miss | {:error, Error.t()}

  @doc "Opens a stash for the calling process, which gets what it subscribes to."
  @callback open(hello :: map(), options :: keyword()) :: {:ok, connection()} | {:error, Error.t()}

  @doc "Closes the stash; everything acknowledged is written when it returns."
  @callback close(connection()) :: :ok | {:error, Error.t()}

  @callback get(connection(), bucket(), key :: term()) :: answer()
  @callback set(connection(), bucket(), key :: term(), value :: term()) :: answer()

  @doc "Any operation, with its arguments as terms, in a request of that number unless it is `nil`."
  @callback call(
              connection(),
              bucket(),
              operation :: String.t(),
              arguments :: [term()],
              id :: pos_integer() | nil
            ) :: answer()

  @doc """
  Subscribes: the answer and then the events come to the calling process as `{reference, payload}`.
  """
  @callback subscribe(connection(), id :: pos_integer(), reference(), bucket(), arguments :: [term()]) ::
              :ok | {:error, Error.t()}

  @callback unsubscribe(connection(), id :: pos_integer()) :: :ok

  @doc "What is done when the process of that id ends, or sends that message: whether the stash is lost."
  @callback lost?(connection(), message :: term()) :: boolean()

  @doc "A number that no other request of this virtual machine has."
  @spec id() :: pos_integer()
  def id, do: System.unique_integer([:positive])

  @doc "The name of an operation, in a bucket or not."
  @spec name(bucket(), String.t()) :: String.t() | [term()]
  def name(nil, operation), do: operation
  def name({bucket, _encoded}, operation), do: [bucket, operation]

  @doc "The encoded name of a bucket."
  @spec place(bucket()) :: binary() | nil
  def place(nil), do: nil
  def place({_bucket, encoded}), do: encoded

  @doc "The answer that `[id, status, result]` stands for."
  @spec answer([term()]) :: answer()
  def answer([_, 0, result]), do: {:ok, result}
  def answer([_, 2, _]), do: :miss
  def answer([_, 1, error]), do: {:error, error(error)}

  @doc "The error of an answer."
  @spec error(map()) :: Error.t()
  def error(%{"number" => number, "message" => message}), do: Error.from_number(number, message)

  @doc "The event of a payload, or the answer to the subscription."
  @spec event(binary()) :: {:event, map()} | {:answer, answer()}
  def event(payload) do
    case Value.decode(payload) do
      [_, 3, event] -> {:event, event}
      parts -> {:answer, answer(parts)}
    end
  end

  @doc "What a closed stash answers."
  @spec closed() :: {:error, Error.t()}
  def closed, do: {:error, Error.new(:closed, "the stash is closed")}
end
