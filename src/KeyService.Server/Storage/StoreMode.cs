namespace KeyService.Server.Storage;

/// <summary>How a store is opened.</summary>
internal enum StoreMode
{
    /// <summary>It must be there; serving.</summary>
    ReadWrite,

    /// <summary>Made when absent; for <c>init</c>.</summary>
    Create,

    /// <summary>Beside a running server, for inspection: takes no lock and no log slot, refuses commits, migrates nothing.</summary>
    ReadOnly,
}
