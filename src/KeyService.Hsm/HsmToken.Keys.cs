using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Guarantees;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm;

/// <summary>The hierarchy: root and backup key, KEKs, the integrity key, signing keys.</summary>
public sealed partial class HsmToken
{
    /// <summary>Tokens that one KEK is sealed to at most when it is made.</summary>
    public const int MaxPeers = 8;

    /// <summary>
    /// Makes the root key and the backup key where they are absent; what stands already is verified and left alone. Can be repeated after a crash.
    /// </summary>
    /// <param name="backupKeyFile">
    /// Development profile: the file that keeps the backup key's value, written (0600, marked) before the token learns it, or read if it exists. Null: only the root
    /// key is made, and <see cref="ImportBackupKeyAsync"/> brings the backup key.
    /// </param>
    /// <param name="cancellationToken">Cancels waiting for a turn, not the making.</param>
    /// <exception cref="HsmException">A second key of the same label, wrong attributes, or a file that belongs to another backup key.</exception>
    /// <exception cref="IOException">The file cannot be written or read; the token has no backup key then.</exception>
    public async Task InitializeHierarchyAsync(string? backupKeyFile, CancellationToken cancellationToken = default)
    {
        await connection.RunAsync(
            (attachment, session, file) =>
            {
                var keys = attachment.Keys;
                attachment.WithReadWrite(readWrite => keys.Root is null ? CreateRoot(readWrite) : keys.Root);
                if (file is not null)
                {
                    ImportBackupKeyOfFile(attachment, file);
                }
                return Adopt(attachment, session);
            },
            backupKeyFile,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Imports the backup key's 32-byte value, wrap-only. The token must not hold one yet.</summary>
    public async Task ImportBackupKeyAsync(SecretBuffer value, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentOutOfRangeException.ThrowIfNotEqual(value.Length, KeyTemplates.KeyLength);
        // A copy: the caller's may be gone when a call that hangs comes back.
        var own = SecretBuffer.CopyOf(value.DangerousSpan);
        await ZeroAfterAsync(
            connection.RunAsync(
                (attachment, session, key) =>
                {
                    ImportBackupKey(attachment, key);
                    return Adopt(attachment, session);
                },
                own,
                cancellationToken),
            own.Dispose).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes a KEK in the token for a key version and loads it. It is extractable only until it is wrapped under root and backup key; the loaded one is not.
    /// </summary>
    /// <returns>What to store.</returns>
    public ValueTask<NewKek> CreateKekAsync(KeyVersionId id, CancellationToken cancellationToken = default) => CreateKekAsync(id, [], cancellationToken);

    /// <summary>
    /// The same for a token that has peers: while the KEK is extractable it is also sealed to the transfer key of each, which takes it in by
    /// <see cref="AdmitKeksAsync"/>. When sealing to one fails there is no KEK.
    /// </summary>
    /// <param name="id">The key version.</param>
    /// <param name="peers">At most <see cref="MaxPeers"/>, of as many tokens, none of them this one. Whoever has one of these keys' private halves has the KEK: the caller has
    /// verified the rows they come from.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn, not the making.</param>
    /// <returns>What to store.</returns>
    /// <exception cref="ArgumentException">Two peers of one serial number, or this token among them.</exception>
    /// <exception cref="HsmException"><see cref="HsmFault.MechanismMissing"/>: the module seals nothing to an RSA key. Each message about a peer names its serial
    /// number.</exception>
    public ValueTask<NewKek> CreateKekAsync(KeyVersionId id, IReadOnlyList<TransferKey> peers, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(id, KeyVersionId.None);
        ArgumentNullException.ThrowIfNull(peers);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(peers.Count, MaxPeers, nameof(peers));
        // A serial number names the row that a blob is stored in.
        if (peers.Select(peer => peer.TokenSerial).Append(TokenId).Distinct().Count() <= peers.Count)
        {
            throw new ArgumentException("Each peer is another token than this one and than the other peers.", nameof(peers));
        }
        return connection.RunAsync(
            static (attachment, session, state) =>
            {
                var (token, id, peers) = state;
                var (rootBlob, backupBlob, sealedKeks, key, backupKeyId) =
                    KeyFactory.Create(attachment, session, WrappedKeyKind.Kek, peers, $"The KEK of key version {id}");
                try
                {
                    var checkValue = KeyCheckValue.Make(session, key, id);
                    KeyFactory.RequireMatch(attachment, session, key, id, checkValue);
                    attachment.Destroy(token.keks.Add(id, rootBlob, checkValue, key));
                    return new NewKek(id, rootBlob, backupBlob, checkValue, attachment.Token.Serial, backupKeyId) { Sealed = sealedKeks };
                }
                catch
                {
                    attachment.Destroy([key]);
                    throw;
                }
            },
            (this, id, peers.ToArray()),
            cancellationToken);
    }

    /// <summary>Unwraps a stored KEK to a protected session key and proves it by its check value. Loading a loaded one does nothing.</summary>
    /// <param name="id">The key version.</param>
    /// <param name="rootBlob">41 bytes, wrapped under this token's root. The caller has verified the row it comes from.</param>
    /// <param name="checkValue">69 bytes.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    /// <exception cref="HsmException"><see cref="HsmFault.IntegrityFailure"/>: the blob is damaged or of another token or version.</exception>
    public async ValueTask LoadKekAsync(
        KeyVersionId id, ReadOnlyMemory<byte> rootBlob, ReadOnlyMemory<byte> checkValue, CancellationToken cancellationToken = default)
    {
        if (keks.Contains(id))
        {
            return;
        }
        await connection.RunAsync(
            static (attachment, session, state) =>
            {
                Load(state.keks, attachment, session, state.id, state.blob, state.check);
                return true;
            },
            (keks, id, blob: rootBlob.ToArray(), check: checkValue.ToArray()),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>True when the token knows the KEK: it is loaded, or was before a reconnect and is loaded again when it is used.</summary>
    public bool IsLoaded(KeyVersionId id) => keks.Contains(id);

    /// <summary>Forgets a KEK and removes its session object; does nothing when it is not loaded.</summary>
    public async ValueTask UnloadAsync(KeyVersionId id, CancellationToken cancellationToken = default)
    {
        if (keks.Remove(id) is { Count: > 0 } unused)
        {
            await connection.RunAsync(
                static (attachment, _, handles) =>
                {
                    attachment.Destroy(handles);
                    return true;
                },
                unused,
                cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes the installation's HMAC-SHA-256 key in the token and loads it.</summary>
    public async ValueTask<NewIntegrityKey> CreateIntegrityKeyAsync(CancellationToken cancellationToken = default)
    {
        var made = await connection.RunAsync(
            static (attachment, session, _) =>
            {
                var (rootBlob, backupBlob, _, key, backupKeyId) = KeyFactory.Create(attachment, session, WrappedKeyKind.Integrity, [], "The integrity key");
                try
                {
                    var checkValue = KeyCheckValue.MakeIntegrity(session, key);
                    ReplaceIntegrityKey(attachment, key);
                    return new NewIntegrityKey(rootBlob, backupBlob, checkValue, attachment.Token.Serial, backupKeyId);
                }
                catch
                {
                    attachment.Destroy([key]);
                    throw;
                }
            },
            this,
            cancellationToken).ConfigureAwait(false);
        integrityKey = new StoredIntegrityKey(made.RootBlob, made.CheckValue);
        return made;
    }

    /// <summary>Loads the integrity key. Its row cannot be authenticated by itself: the check value, when given, must match.</summary>
    public async ValueTask LoadIntegrityKeyAsync(
        ReadOnlyMemory<byte> rootBlob, ReadOnlyMemory<byte> checkValue = default, CancellationToken cancellationToken = default)
    {
        var stored = new StoredIntegrityKey(rootBlob.ToArray(), checkValue.IsEmpty ? null : checkValue.ToArray());
        await connection.RunAsync(
            static (attachment, session, stored) =>
            {
                ReplaceIntegrityKey(attachment, KeyFactory.LoadIntegrityKey(attachment, session, stored.RootBlob, stored.CheckValue));
                return true;
            },
            stored,
            cancellationToken).ConfigureAwait(false);
        integrityKey = stored;
    }

    /// <summary>HMAC-SHA-256 of the data under the integrity key, 32 bytes.</summary>
    public ValueTask<byte[]> MacAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default) => connection.RunAsync(
        static (attachment, session, state) =>
        {
            var key = attachment.IntegrityKey ?? state.Token.ReloadIntegrityKey(attachment, session);
            var mac = new byte[SHA256.HashSizeInBytes];
            var length = session.Sign(CKM.CKM_SHA256_HMAC, key, state.Data.Span, mac);
            return length == mac.Length ? mac : throw new HsmException(HsmFault.Unexpected, "C_Sign", 0, $"an HMAC-SHA-256 of {length} bytes came back.");
        },
        (Token: this, Data: (ReadOnlyMemory<byte>)data.ToArray()), // a copy: see CallMemory
        cancellationToken);

    /// <summary>True when <paramref name="mac"/> is the MAC of the data; compared in constant time, in this process.</summary>
    public async ValueTask<bool> VerifyMacAsync(ReadOnlyMemory<byte> data, ReadOnlyMemory<byte> mac, CancellationToken cancellationToken = default) =>
        CryptographicOperations.FixedTimeEquals(await MacAsync(data, cancellationToken).ConfigureAwait(false), mac.Span);

    /// <summary>ECDSA P-256 signature of a 32-byte digest: r and s, 64 bytes. The key of that label is made on the token if it is absent.</summary>
    /// <param name="label">1 to 64 characters of a-z, 0-9, '-', '/', '.'; one for each use (checkpoints, manifests, transcripts).</param>
    /// <param name="digest">SHA-256 of what is signed.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public ValueTask<byte[]> SignAsync(string label, ReadOnlyMemory<byte> digest, CancellationToken cancellationToken = default)
    {
        SigningKeyStore.RequireLabel(label);
        ArgumentOutOfRangeException.ThrowIfNotEqual(digest.Length, SHA256.HashSizeInBytes);
        return connection.RunAsync(
            static (attachment, session, state) =>
            {
                var key = state.Token.SigningKey(attachment, state.Label);
                var signature = new byte[SigningKeyStore.SignatureLength];
                var length = session.Sign(CKM.CKM_ECDSA, key.Private, state.Digest.Span, signature);
                return length == signature.Length
                    ? signature
                    : throw new HsmException(HsmFault.Unexpected, "C_Sign", 0, $"a signature of {length} bytes came back where P-256 gives 64.");
            },
            (Token: this, Label: label, Digest: (ReadOnlyMemory<byte>)digest.ToArray()),
            cancellationToken);
    }

    /// <summary>Public key of a signing label (X.509 SubjectPublicKeyInfo, DER). The key is made if it is absent.</summary>
    public ValueTask<byte[]> GetSigningKeyAsync(string label, CancellationToken cancellationToken = default)
    {
        SigningKeyStore.RequireLabel(label);
        return connection.RunAsync(
            static (attachment, _, state) => state.Token.SigningKey(attachment, state.Label).SubjectPublicKeyInfo.ToArray(),
            (Token: this, Label: label),
            cancellationToken);
    }

    private static void Load(KekRegister keks, Attachment attachment, HsmSession session, KeyVersionId id, byte[] rootBlob, byte[] checkValue)
    {
        var key = KeyFactory.LoadKek(attachment, session, id, rootBlob, checkValue);
        attachment.Destroy(keks.Add(id, rootBlob, checkValue, key));
    }

    private static void ReplaceIntegrityKey(Attachment attachment, KeyHandle key)
    {
        var before = attachment.IntegrityKey;
        attachment.IntegrityKey = key;
        if (before is { } old)
        {
            attachment.Destroy([old]);
        }
    }

    private KeyHandle ReloadIntegrityKey(Attachment attachment, HsmSession session)
    {
        if (integrityKey is not { } stored)
        {
            throw new HsmException(HsmFault.KeyNotLoaded, "The integrity key is not loaded yet. Load it from the store before rows are read or written.");
        }
        var key = KeyFactory.LoadIntegrityKey(attachment, session, stored.RootBlob, stored.CheckValue);
        ReplaceIntegrityKey(attachment, key);
        return key;
    }

    private SigningKey SigningKey(Attachment attachment, string label)
    {
        var key = SigningKeyStore.FindOrCreate(attachment, label, out var created);
        if (created)
        {
            events(new HsmEvent(HsmEventKind.KeyCreated, $"A signing key '{label}' was made on token '{Info.TokenLabel}'."));
        }
        return key;
    }

    private KeyHandle CreateRoot(HsmSession readWrite)
    {
        var id = new byte[8];
        readWrite.Random(id);
        var root = TemplateFallback.Make(reach =>
        {
            using var template = KeyTemplates.Root(id, reach);
            return readWrite.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "The root key");
        });
        try
        {
            KeyAttributes.RequireRoot(readWrite, root);
        }
        catch
        {
            readWrite.DestroyQuietly(root);
            throw;
        }
        events(new HsmEvent(HsmEventKind.KeyCreated, $"A root key was made on token '{Info.TokenLabel}'."));
        return root;
    }

    private void ImportBackupKeyOfFile(Attachment attachment, string file)
    {
        var exists = File.Exists(file);
        if (attachment.Keys.BackupKeyId is { } present)
        {
            if (!exists)
            {
                return; // taken away, as it should be
            }
            using var kept = BackupKeyFile.Read(file);
            if (Convert.ToHexStringLower(BackupKey.IdOf(kept)) != present)
            {
                throw new HsmException(HsmFault.HierarchyConflict,
                    $"{file} holds another backup key than the token '{Info.TokenLabel}' ({present}). Backups made from now on could not be read with it: "
                    + "find the right file, or name another place for a new one.");
            }
            return;
        }
        using var value = exists ? BackupKeyFile.Read(file) : SecretBuffer.Random(KeyTemplates.KeyLength);
        if (!exists)
        {
            BackupKeyFile.Write(file, value);
        }
        ImportBackupKey(attachment, value);
    }

    private void ImportBackupKey(Attachment attachment, SecretBuffer value) => Import(attachment, readWrite => BackupKey.Import(readWrite, value));

    private void Import(Attachment attachment, Func<HsmSession, KeyHandle> import)
    {
        if (attachment.Keys.BackupKeyId is { } present)
        {
            throw new HsmException(HsmFault.HierarchyConflict, $"The token '{Info.TokenLabel}' has a backup key already ({present}). Changing it takes a ceremony.");
        }
        attachment.WithReadWrite(import);
        events(new HsmEvent(HsmEventKind.KeyCreated, $"A backup key was imported to token '{Info.TokenLabel}', wrap-only."));
    }

    /// <summary>Takes up what stands on the token now, with its canary and guarantees.</summary>
    private bool Adopt(Attachment attachment, HsmSession session)
    {
        attachment.Keys = attachment.WithKeeper(HierarchyKeys.Find);
        connection.Recovery.KeepCanary(attachment, session);
        Guarantees = GuaranteeProbe.Run(attachment);
        return true;
    }
}
