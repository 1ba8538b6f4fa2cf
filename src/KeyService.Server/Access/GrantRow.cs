using System.Globalization;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Access;

/// <summary>A grant as its table has it.</summary>
internal sealed class GrantRow
{
    public const string Columns =
        """
        SELECT id, principal, permissions, key_pattern AS KeyPattern, context_constraint AS ContextConstraint, expires_at AS ExpiresAt,
               created_at AS CreatedAt, revoked, revision, mac
        FROM grants
        """;

    public const string Select = Columns + " ORDER BY id";

    public const string Insert =
        """
        INSERT INTO grants (id, principal, permissions, key_pattern, context_constraint, expires_at, created_at, revoked, revision, mac)
        VALUES (@Id, @Principal, @Permissions, @KeyPattern, @ContextConstraint, @ExpiresAt, @CreatedAt, @Revoked, @Revision, @Mac)
        """;

    public const string Update = "UPDATE grants SET revoked = @Revoked, revision = @Revision, mac = @Mac WHERE id = @Id AND revision = @Revision - 1";

    public long Id { get; set; }

    public string Principal { get; set; } = "";

    /// <summary>What is granted, as <see cref="GrantText"/> writes it.</summary>
    public string Permissions { get; set; } = "";

    public string KeyPattern { get; set; } = "";

    public byte[] ContextConstraint { get; set; } = [];

    public long? ExpiresAt { get; set; }

    public long CreatedAt { get; set; }

    public long Revoked { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];

    public string IdText => Id.ToString("x16", CultureInfo.InvariantCulture);

    public static GrantRow Of(Grant grant) => new()
    {
        Id = unchecked((long)grant.Id),
        Principal = grant.Principal,
        Permissions = GrantText.Of(grant),
        KeyPattern = grant.KeyPattern.Text,
        ContextConstraint = GrantText.PlainConstraintOf(grant).Encoded.ToArray(),
        ExpiresAt = grant.ExpireTime is { } end ? UnixTime.Nanoseconds(end) : null,
        CreatedAt = UnixTime.Nanoseconds(grant.CreateTime),
        Revoked = grant.Revoked ? 1 : 0,
        Revision = grant.Revision,
    };

    public byte[] Canonical() => RowMac.Row(AccessRows.GrantsTable)
        .AddInt64(Id).AddString(Principal).AddString(Permissions).AddString(KeyPattern).AddBytes(ContextConstraint).AddInt64(ExpiresAt)
        .AddInt64(CreatedAt).AddInt64(Revoked).AddInt64(Revision)
        .ToArray();

    /// <summary>
    /// Only of a verified row. A permission of a newer version is left to the servers that know it: refusing the row would keep this one from
    /// following anything that comes after it, in the middle of a rolling upgrade.
    /// </summary>
    /// <exception cref="StoreOpenException">A newer version restricted the grant in a way that this one does not know: refused rather than misread.</exception>
    public Grant ToGrant()
    {
        var text = GrantText.TryParse(Permissions, out var read, out var unknown) ? read : throw Unknown($"permission {unknown}");
        var pairs = EncryptionContext.TryParse(ContextConstraint, out var context) ? context : throw Unknown("context constraint");
        return new Grant
        {
            Id = unchecked((ulong)Id),
            Principal = Principal,
            Permissions = text.Permissions,
            LaterPermissions = text.LaterPermissions,
            Roles = text.Roles,
            KeyPattern = Access.KeyPattern.TryParse(KeyPattern, out var pattern) ? pattern : throw Unknown($"key pattern {KeyPattern}"),
            ContextConstraint = text.Terms is not { } terms ? pairs : pairs.Pairs.Count == 0 ? terms.Constraint : throw Unknown("context constraint beside terms"),
            Quotas = text.Terms?.Quotas ?? [],
            ExpireTime = ExpiresAt is { } end ? UnixTime.FromNanoseconds(end) : null,
            CreateTime = UnixTime.FromNanoseconds(CreatedAt),
            Revoked = Revoked != 0,
            Revision = Revision,
        };
    }

    private StoreOpenException Unknown(string what) => new($"Grant {IdText} holds the unknown {what}: it was written by a newer KeyService.");
}
