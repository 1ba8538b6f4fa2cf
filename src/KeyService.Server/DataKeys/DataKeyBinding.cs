using KeyService.Crypto;
using KeyService.Server.Ciphering;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.DataKeys;

/// <summary>
/// What the wrapping of a data key is bound to, besides the key version. The purpose comes from the use that the caller declares, by this
/// table only: no caller reaches the purposes of bulk keys or check values.
/// </summary>
internal sealed record DataKeyBinding(AadPurpose Purpose, byte[] SubjectId, EncryptionContext Context)
{
    /// <summary>The binding in a request about one data key.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT, INVALID_CONTEXT.</exception>
    public static DataKeyBinding Require(Wire.DataKeyBinding? binding, string field)
    {
        var shared = RequireShared(binding, field);
        return RequireSubject(shared.Purpose, binding!.SubjectId.Length, $"{field}.subject_id")
            ? shared with { SubjectId = binding.SubjectId.ToByteArray() }
            : shared;
    }

    /// <summary>The binding in a request about many: subjects stand beside it.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT, INVALID_CONTEXT.</exception>
    public static DataKeyBinding RequireForMany(Wire.DataKeyBinding? binding, string field)
    {
        var shared = RequireShared(binding, field);
        return binding!.SubjectId.IsEmpty
            ? shared
            : throw Refusal.InvalidArgument($"{field}.subject_id", "must be empty here; give one id a data key in subject_ids");
    }

    /// <summary>Whether data keys of this purpose have a subject.</summary>
    public bool HasSubject => IsAboutSubject(Purpose);

    /// <summary>The purpose of the keys that data keys of this use stand under.</summary>
    public KeyPurpose KeyPurpose => Purpose == AadPurpose.DataKeyBlindIndex ? KeyPurpose.BlindIndex : KeyPurpose.EncryptDecrypt;

    /// <summary>The associated data under a key version.</summary>
    public byte[] AssociatedDataUnder(KeyVersionId version) => AssociatedDataUnder(version, SubjectId);

    /// <inheritdoc cref="AssociatedDataUnder(KeyVersionId)"/>
    public byte[] AssociatedDataUnder(KeyVersionId version, ReadOnlySpan<byte> subjectId) =>
        AssociatedData.ToArray(Purpose, WrappedDataKey.Format, version, subjectId, Context);

    /// <summary>Demands a subject where the use has one and none where it has not.</summary>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static bool RequireSubject(AadPurpose purpose, int length, string field)
    {
        var expected = IsAboutSubject(purpose) ? AssociatedData.SubjectLength : 0;
        return length == expected
            ? expected > 0
            : throw Refusal.InvalidArgument(
                field, expected == 0 ? "must be empty for DATA_KEY_USE_GENERAL" : "must be 16 bytes for this use");
    }

    private static bool IsAboutSubject(AadPurpose purpose) =>
        purpose is AadPurpose.DataKeyField or AadPurpose.DataKeyArchive or AadPurpose.DataKeyBlindIndex;

    private static DataKeyBinding RequireShared(Wire.DataKeyBinding? binding, string field)
    {
        if (binding is null)
        {
            throw Refusal.InvalidArgument(field, "is required");
        }

        AadPurpose purpose = binding.Use switch
        {
            Wire.DataKeyUse.General => AadPurpose.DataKeyGeneral,
            Wire.DataKeyUse.Field => AadPurpose.DataKeyField,
            Wire.DataKeyUse.Archive => AadPurpose.DataKeyArchive,
            Wire.DataKeyUse.BlindIndex => AadPurpose.DataKeyBlindIndex,
            _ => throw Refusal.InvalidArgument(
                $"{field}.use", "must be DATA_KEY_USE_GENERAL, DATA_KEY_USE_FIELD, DATA_KEY_USE_ARCHIVE or DATA_KEY_USE_BLIND_INDEX"),
        };
        return new DataKeyBinding(purpose, [], RequestContexts.Require(binding.Context, $"{field}.context"));
    }
}
