namespace KeyService.Cli.Adopt;

/// <summary>How far an adoption is. The names stand in the database: frozen.</summary>
internal enum AdoptionStage
{
    /// <summary>Tokens are made beside the values.</summary>
    Encrypting,

    /// <summary>Every token was read back and compared.</summary>
    Verified,

    /// <summary>The tokens bear the columns' names; the old values stand beside them.</summary>
    Switched,

    /// <summary>The old values are gone.</summary>
    Committed,
}
