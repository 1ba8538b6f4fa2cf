using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm;

/// <summary>The hot path: data keys made, wrapped and unwrapped under a KEK inside the token; random bytes.</summary>
public sealed partial class HsmToken
{
    /// <summary>Longest plaintext of <see cref="EncryptAsync"/>, bytes.</summary>
    public const int MaxPlaintextLength = 4096;

    private const int SealOverhead = HsmSession.GcmIvLength + HsmSession.GcmTagLength;

    /// <summary>Data keys drawn from the token at once: 64 keys and IVs are 2,816 random bytes, within what any module gives in one call.</summary>
    private const int Chunk = 64;

    /// <summary>Makes data keys and wraps them, all in one rented session.</summary>
    /// <param name="id">The key version whose KEK wraps.</param>
    /// <param name="count">How many, at least 1.</param>
    /// <param name="aadOf">Associated data of key number i, complete.</param>
    /// <param name="plaintexts">32 bytes for each key, or empty when only the wrapped keys are wanted. Zeroed if the call fails.</param>
    /// <param name="wrapped">69 bytes for each key: complete <see cref="WrappedDataKey"/>s.</param>
    /// <param name="cancellationToken">Looked at between chunks of 64 keys.</param>
    public ValueTask GenerateDataKeysAsync(
        KeyVersionId id, int count, Func<int, ReadOnlyMemory<byte>> aadOf, Memory<byte> plaintexts, Memory<byte> wrapped,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(aadOf);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        if (plaintexts.Length != 0)
        {
            ArgumentOutOfRangeException.ThrowIfNotEqual(plaintexts.Length, checked(count * WrappedDataKey.DataKeyLength), nameof(plaintexts));
        }
        ArgumentOutOfRangeException.ThrowIfNotEqual(wrapped.Length, checked(count * WrappedDataKey.Length), nameof(wrapped));
        return Discard(HotAsync(
            id,
            static (session, kek, buffers, state) =>
            {
                Generate(session, kek, state.id, state.count, state.aadOf, buffers.Output.Span, buffers.SecondOutput.Span, state.cancellationToken);
                return true;
            },
            new CallBuffers(default, default, plaintexts, wrapped),
            (id, count, aadOf, cancellationToken),
            cancellationToken));
    }

    /// <summary>Wraps a data key that exists already (re-wrapping to another version).</summary>
    /// <param name="id">The key version whose KEK wraps.</param>
    /// <param name="plaintext">32 bytes.</param>
    /// <param name="aad">Associated data, complete.</param>
    /// <param name="wrapped">69 bytes.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public ValueTask WrapDataKeyAsync(
        KeyVersionId id, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> aad, Memory<byte> wrapped, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(plaintext.Length, WrappedDataKey.DataKeyLength, nameof(plaintext));
        ArgumentOutOfRangeException.ThrowIfNotEqual(wrapped.Length, WrappedDataKey.Length, nameof(wrapped));
        return Discard(HotAsync(
            id,
            static (session, kek, buffers, id) =>
            {
                Span<byte> iv = stackalloc byte[HsmSession.GcmIvLength];
                session.Random(iv);
                Wrap(session, kek, id, iv, buffers.AssociatedData.Span, buffers.Input.Span, buffers.Output.Span);
                return true;
            },
            new CallBuffers(plaintext, aad, wrapped),
            id,
            cancellationToken));
    }

    /// <summary>Unwraps a data key. False when it does not open: damaged, other key, other associated data are one answer.</summary>
    /// <param name="id">The key version; false when the wrapped key names another.</param>
    /// <param name="wrapped">69 bytes, or anything that is then not a wrapped data key.</param>
    /// <param name="aad">Associated data, complete.</param>
    /// <param name="plaintext">32 bytes; zeroed when the answer is false.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public ValueTask<bool> UnwrapDataKeyAsync(
        KeyVersionId id, ReadOnlyMemory<byte> wrapped, ReadOnlyMemory<byte> aad, Memory<byte> plaintext, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(plaintext.Length, WrappedDataKey.DataKeyLength, nameof(plaintext));
        if (!WrappedDataKey.TryParse(wrapped.Span, out var parsed) || parsed.VersionId != id)
        {
            plaintext.Span.Clear();
            return ValueTask.FromResult(false);
        }
        const int IvOffset = WrappedDataKey.Length - WrappedDataKey.TagLength - WrappedDataKey.DataKeyLength - WrappedDataKey.IvLength;
        return DecryptAsync(id, wrapped[IvOffset..], aad, plaintext, cancellationToken);
    }

    /// <summary>AES-256-GCM under a KEK, for what is not a data key: IV (drawn in the token), ciphertext, tag.</summary>
    /// <param name="id">The key version.</param>
    /// <param name="plaintext">0 to 4,096 bytes.</param>
    /// <param name="aad">Associated data; the caller separates purposes.</param>
    /// <param name="sealedMessage">28 bytes more than the plaintext.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public ValueTask EncryptAsync(
        KeyVersionId id, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> aad, Memory<byte> sealedMessage, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plaintext.Length, MaxPlaintextLength, nameof(plaintext));
        ArgumentOutOfRangeException.ThrowIfNotEqual(sealedMessage.Length, plaintext.Length + SealOverhead, nameof(sealedMessage));
        return Discard(HotAsync(
            id,
            static (session, kek, buffers, _) =>
            {
                var iv = buffers.Output.Span[..HsmSession.GcmIvLength];
                session.Random(iv);
                session.GcmEncrypt(kek.Handle, iv, buffers.AssociatedData.Span, buffers.Input.Span, buffers.Output.Span[HsmSession.GcmIvLength..]);
                return true;
            },
            new CallBuffers(plaintext, aad, sealedMessage),
            0,
            cancellationToken));
    }

    /// <summary>Opens what <see cref="EncryptAsync"/> made. False, and a zeroed plaintext, when it does not open.</summary>
    public ValueTask<bool> DecryptAsync(
        KeyVersionId id, ReadOnlyMemory<byte> sealedMessage, ReadOnlyMemory<byte> aad, Memory<byte> plaintext, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plaintext.Length, MaxPlaintextLength, nameof(plaintext));
        ArgumentOutOfRangeException.ThrowIfNotEqual(sealedMessage.Length, plaintext.Length + SealOverhead, nameof(sealedMessage));
        return HotAsync(
            id,
            static (session, kek, buffers, _) => Open(session, kek, buffers.Input.Span, buffers.AssociatedData.Span, buffers.Output.Span),
            new CallBuffers(sealedMessage, aad, plaintext),
            0,
            cancellationToken);
    }

    /// <summary>Random bytes of the token.</summary>
    public ValueTask RandomAsync(Memory<byte> destination, CancellationToken cancellationToken = default) => Discard(OnOwnMemoryAsync(
        new CallBuffers(default, default, destination),
        buffers => connection.RunAsync(
            static (_, session, destination) =>
            {
                for (var rest = destination.Span; !rest.IsEmpty; rest = rest[int.Min(rest.Length, Chunk * 32)..])
                {
                    session.Random(rest[..int.Min(rest.Length, Chunk * 32)]);
                }
                return true;
            },
            buffers.Output,
            cancellationToken,
            caller: nameof(RandomAsync))));

    private static void Generate(
        HsmSession session, KekUse kek, KeyVersionId id, int count, Func<int, ReadOnlyMemory<byte>> aadOf, Span<byte> plaintexts, Span<byte> wrapped,
        CancellationToken cancellationToken)
    {
        const int Drawn = WrappedDataKey.DataKeyLength + WrappedDataKey.IvLength;
        // One draw for keys and IVs: a call to the token's generator costs more than its bytes do.
        Span<byte> drawn = stackalloc byte[int.Min(count, Chunk) * Drawn];
        try
        {
            for (var first = 0; first < count; first += Chunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var size = int.Min(Chunk, count - first);
                session.Random(drawn[..(size * Drawn)]);
                var keys = drawn[..(size * WrappedDataKey.DataKeyLength)];
                var ivs = drawn[keys.Length..];
                for (var i = 0; i < size; i++)
                {
                    Wrap(session, kek, id, ivs.Slice(i * WrappedDataKey.IvLength, WrappedDataKey.IvLength), aadOf(first + i).Span,
                        keys.Slice(i * WrappedDataKey.DataKeyLength, WrappedDataKey.DataKeyLength),
                        wrapped.Slice((first + i) * WrappedDataKey.Length, WrappedDataKey.Length));
                }
                if (!plaintexts.IsEmpty)
                {
                    keys.CopyTo(plaintexts[(first * WrappedDataKey.DataKeyLength)..]);
                }
            }
        }
        catch
        {
            CryptographicOperations.ZeroMemory(plaintexts);
            wrapped.Clear();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(drawn);
        }
    }

    private static void Wrap(
        HsmSession session, KekUse kek, KeyVersionId id, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> aad, ReadOnlySpan<byte> plaintext, Span<byte> wrapped)
    {
        var ciphertextAndTag = wrapped[(WrappedDataKey.Length - WrappedDataKey.DataKeyLength - WrappedDataKey.TagLength)..];
        session.GcmEncrypt(kek.Handle, iv, aad, plaintext, ciphertextAndTag);
        WrappedDataKey.Write(wrapped, id, iv, ciphertextAndTag);
    }

    private static bool Open(HsmSession session, KekUse kek, ReadOnlySpan<byte> sealedMessage, ReadOnlySpan<byte> aad, Span<byte> plaintext)
    {
        var iv = sealedMessage[..HsmSession.GcmIvLength];
        var ciphertextAndTag = sealedMessage[HsmSession.GcmIvLength..];
        // SoftHSM wants room for the tag too, so the plaintext cannot be written where it belongs.
        Span<byte> output = stackalloc byte[ciphertextAndTag.Length]; // bounded by MaxPlaintextLength in the public methods
        try
        {
            var code = session.GcmDecrypt(kek.Handle, iv, aad, ciphertextAndTag, output);
            if (ReturnCodes.IsAmbiguous(code))
            {
                code = kek.DecryptAgain(iv, aad, ciphertextAndTag, output);
            }
            if (code == ReturnCodes.Ok)
            {
                output[..plaintext.Length].CopyTo(plaintext);
                return true;
            }
            CryptographicOperations.ZeroMemory(plaintext);
            if (ReturnCodes.IsAmbiguous(code))
            {
                kek.RequireWorking(code);
            }
            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(output);
        }
    }

    private ValueTask<T> HotAsync<TState, T>(
        KeyVersionId id, Func<HsmSession, KekUse, CallBuffers, TState, T> operation, in CallBuffers buffers, TState state, CancellationToken cancellationToken,
        [CallerMemberName] string caller = "") => connection.RunsHotCallsHere
            ? WithKekAsync(id, operation, buffers, state, caller, cancellationToken)
            : HotElsewhereAsync(id, operation, buffers, state, caller, cancellationToken); // apart: its closure must not be paid for here

    private ValueTask<T> HotElsewhereAsync<TState, T>(
        KeyVersionId id, Func<HsmSession, KekUse, CallBuffers, TState, T> operation, in CallBuffers buffers, TState state, string caller,
        CancellationToken cancellationToken) => OnOwnMemoryAsync(buffers, own => WithKekAsync(id, operation, own, state, caller, cancellationToken));

    /// <summary>Runs a call that may be left behind on memory of its own. When it fails it leaves nothing in its caller's.</summary>
    private static async ValueTask<T> OnOwnMemoryAsync<T>(CallBuffers caller, Func<CallBuffers, ValueTask<T>> call)
    {
        var own = new CallMemory(caller);
        try
        {
            return await ZeroAfterAsync(GiveAsync(caller, own, call), own.Zero).ConfigureAwait(false);
        }
        catch
        {
            caller.Output.Span.Clear();
            caller.SecondOutput.Span.Clear();
            throw;
        }

        static async ValueTask<T> GiveAsync(CallBuffers caller, CallMemory own, Func<CallBuffers, ValueTask<T>> call)
        {
            var result = await call(own.Buffers).ConfigureAwait(false);
            own.GiveTo(caller);
            return result;
        }
    }

    /// <summary>Zeroes the memory that a call was given, when the call has ended: at once, or when a call that was left behind has come back.</summary>
    private static async ValueTask<T> ZeroAfterAsync<T>(ValueTask<T> call, Action zero)
    {
        Task? leftBehind = null;
        try
        {
            return await call.ConfigureAwait(false);
        }
        catch (HsmException exception)
        {
            leftBehind = exception.LeftBehind;
            throw;
        }
        finally
        {
            if (leftBehind is null)
            {
                zero();
            }
            else
            {
                _ = leftBehind.ContinueWith(_ => zero(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    private async ValueTask<T> WithKekAsync<TState, T>(
        KeyVersionId id, Func<HsmSession, KekUse, CallBuffers, TState, T> operation, CallBuffers buffers, TState state, string caller,
        CancellationToken cancellationToken)
    {
        StoredKek? stored = null;
        for (var attempt = 1; ; attempt++)
        {
            if (stored is null && !keks.Contains(id))
            {
                stored = await FindStoredAsync(id, cancellationToken).ConfigureAwait(false);
            }
            try
            {
                return await connection.RunAsync(
                    static (attachment, session, inner) =>
                    {
                        // Loaded in the same operation: with few places and many keys it could be evicted again before it was ever used.
                        if (inner.stored is { } kept && !inner.keks.Contains(inner.id))
                        {
                            Load(inner.keks, attachment, session, inner.id, kept.RootBlob.ToArray(), kept.CheckValue.ToArray());
                        }
                        using var kek = new KekUse(inner.keks, attachment, session, inner.id);
                        return inner.operation(session, kek, inner.buffers, inner.state);
                    },
                    (keks, id, stored, operation, buffers, state),
                    cancellationToken,
                    connection.RunsHotCallsHere,
                    caller).ConfigureAwait(false);
            }
            catch (HsmException exception) when (exception.Fault == HsmFault.KeyNotLoaded && attempt < 10)
            {
                // Evicted between the look and the use.
            }
        }
    }

    private async ValueTask<StoredKek> FindStoredAsync(KeyVersionId id, CancellationToken cancellationToken) =>
        KekSource is { } source && await source(id, cancellationToken).ConfigureAwait(false) is { } stored ? stored : throw KekUse.NotLoaded(id);

    private static ValueTask Discard(ValueTask<bool> task)
    {
        if (task.IsCompletedSuccessfully)
        {
            _ = task.Result;
            return default;
        }
        return new ValueTask(task.AsTask());
    }
}
